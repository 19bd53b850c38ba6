/* CBOR: heads, integers and strings; nothing is trusted to be as long as it says. */
#include "lwm2m/cbor.h"

#include <string.h>

#define INDEFINITE 31u
#define BREAK 0xFFu
#define SIMPLE_FALSE 20u
#define SIMPLE_TRUE 21u
#define FLOAT32 0xFAu /* major type 7, four bytes */
#define MAX_DEPTH 4u

void cbor_put_head(struct window *window, enum cbor_major major, uint64_t argument)
{
    uint32_t bytes = argument < 24 ? 0 : argument <= UINT8_MAX ? 1 : argument <= UINT16_MAX ? 2 : argument <= UINT32_MAX ? 4 : 8;
    uint32_t info = bytes == 0 ? (uint32_t)argument : bytes == 1 ? 24 : bytes == 2 ? 25 : bytes == 4 ? 26 : 27;
    window_put_byte(window, (uint32_t)major << 5 | info);
    window_put_big_endian(window, argument, bytes);
}

void cbor_put_integer(struct window *window, int64_t value)
{
    if (value < 0) {
        cbor_put_head(window, CBOR_NEGATIVE, ~(uint64_t)value);
    } else {
        cbor_put_head(window, CBOR_UNSIGNED, (uint64_t)value);
    }
}

void cbor_put_float(struct window *window, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    window_put_byte(window, FLOAT32);
    window_put_big_endian(window, bits, sizeof bits);
}

void cbor_put_value(struct window *window, const struct value *value)
{
    switch (value->type) {
    case VALUE_INTEGER:
        cbor_put_integer(window, value->integer);
        break;
    case VALUE_BOOLEAN:
        cbor_put_head(window, CBOR_SIMPLE, value->integer != 0 ? SIMPLE_TRUE : SIMPLE_FALSE);
        break;
    case VALUE_FLOAT:
        cbor_put_float(window, value->real);
        break;
    default:
        cbor_put_head(window, value->type == VALUE_STRING ? CBOR_TEXT : CBOR_BYTES, value->length);
        value_put(window, value);
    }
}

bool cbor_take(struct cbor_reader *reader, struct cbor_item *item)
{
    if (reader->at >= reader->length) {
        return false;
    }
    uint8_t first = reader->data[reader->at++];
    uint32_t info = first & 31u;
    item->major = (enum cbor_major)(first >> 5);
    item->indefinite = info == INDEFINITE;
    item->argument = info;
    item->bytes = (struct coap_text){0, 0};
    if (item->indefinite) {
        return item->major == CBOR_ARRAY || item->major == CBOR_MAP; /* strings in pieces: nobody sends them */
    }
    if (info >= 28) {
        return false;
    }
    if (info >= 24) {
        uint32_t bytes = 1u << (info - 24);
        if (bytes > reader->length - reader->at) {
            return false;
        }
        item->argument = 0;
        while (bytes-- > 0) {
            item->argument = item->argument << 8 | reader->data[reader->at++];
        }
    }
    if (item->major == CBOR_BYTES || item->major == CBOR_TEXT) {
        if (item->argument > reader->length - reader->at) {
            return false;
        }
        item->bytes = (struct coap_text){reader->data + reader->at, (uint32_t)item->argument};
        reader->at += (uint32_t)item->argument;
    }
    return true;
}

bool cbor_take_break(struct cbor_reader *reader)
{
    if (reader->at < reader->length && reader->data[reader->at] == BREAK) {
        reader->at++;
        return true;
    }
    return false;
}

static bool skip(struct cbor_reader *reader, uint32_t depth)
{
    struct cbor_item item;
    if (!cbor_take(reader, &item)) {
        return false;
    }
    if (item.major == CBOR_TAG) {
        return depth < MAX_DEPTH && skip(reader, depth + 1);
    }
    if (item.major != CBOR_ARRAY && item.major != CBOR_MAP) {
        return true;
    }
    if (depth == MAX_DEPTH || item.argument > reader->length) {
        return false;
    }
    uint64_t left = item.major == CBOR_MAP ? 2 * item.argument : item.argument;
    while (item.indefinite ? !cbor_take_break(reader) : left-- > 0) {
        if (!skip(reader, depth + 1)) {
            return false;
        }
    }
    return true;
}

bool cbor_skip(struct cbor_reader *reader)
{
    return skip(reader, 0);
}

bool cbor_value(const struct cbor_item *item, struct value *value)
{
    *value = (struct value){.data = item->bytes.data, .length = item->bytes.length};
    switch (item->major) {
    case CBOR_UNSIGNED:
        value->type = VALUE_INTEGER;
        value->integer = (int64_t)item->argument;
        return item->argument <= INT64_MAX;
    case CBOR_NEGATIVE:
        value->type = VALUE_INTEGER;
        value->integer = -1 - (int64_t)(item->argument & INT64_MAX);
        return item->argument <= INT64_MAX;
    case CBOR_BYTES:
        value->type = VALUE_OPAQUE;
        return true;
    case CBOR_TEXT:
        value->type = VALUE_STRING;
        return true;
    case CBOR_SIMPLE:
        value->type = VALUE_BOOLEAN;
        value->integer = item->argument == SIMPLE_TRUE;
        return item->argument == SIMPLE_TRUE || item->argument == SIMPLE_FALSE;
    default:
        return false;
    }
}
