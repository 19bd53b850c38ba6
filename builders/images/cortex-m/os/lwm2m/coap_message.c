/* CoAP messages: parsing with every length checked, and writing. */
#include "lwm2m/coap_message.h"

#include <string.h>

#define HEADER_BYTES 4u
#define PAYLOAD_MARKER 0xFFu
#define MAX_SEGMENT 255u
#define MAX_BLOCK_NUMBER 0xFFFFFu

struct reader {
    const uint8_t *data;
    uint32_t length;
    uint32_t at;
};

/* The extended part of an option's delta or length (RFC 7252, section 3.1). */
static bool extend(struct reader *reader, uint32_t nibble, uint32_t *value)
{
    uint32_t left = reader->length - reader->at;
    if (nibble < 13) {
        *value = nibble;
    } else if (nibble == 13 && left >= 1) {
        *value = 13u + reader->data[reader->at];
        reader->at += 1;
    } else if (nibble == 14 && left >= 2) {
        *value = 269u + ((uint32_t)reader->data[reader->at] << 8) + reader->data[reader->at + 1];
        reader->at += 2;
    } else {
        return false;
    }
    return true;
}

static bool number(const uint8_t *value, uint32_t length, uint32_t max_length, uint32_t *result)
{
    if (length > max_length) {
        return false;
    }
    *result = 0;
    for (uint32_t index = 0; index < length; index++) {
        *result = *result << 8 | value[index];
    }
    return true;
}

static bool short_number(const uint8_t *value, uint32_t length, uint32_t max_length, int32_t *result)
{
    uint32_t found;
    if (!number(value, length, max_length, &found)) {
        return false;
    }
    *result = (int32_t)found;
    return true;
}

static bool size(const uint8_t *value, uint32_t length, int64_t *result)
{
    uint32_t found;
    if (!number(value, length, 4, &found)) {
        return false;
    }
    *result = found;
    return true;
}

static bool block(const uint8_t *value, uint32_t length, struct coap_block *result)
{
    uint32_t found;
    if (result->present || !number(value, length, 3, &found) || (found & 7u) > COAP_BLOCK_EXPONENT) {
        return false;
    }
    result->present = true;
    result->exponent = found & 7u;
    result->more = (found >> 3 & 1u) != 0;
    result->number = found >> 4;
    return true;
}

static bool append(struct coap_text *texts, uint32_t capacity, uint32_t *count, const uint8_t *value, uint32_t length)
{
    if (*count == capacity || length > MAX_SEGMENT) {
        return false;
    }
    texts[*count] = (struct coap_text){value, length};
    (*count)++;
    return true;
}

static bool take_option(struct coap_message *message, uint32_t option, const uint8_t *value, uint32_t length)
{
    switch (option) {
    case COAP_OPTION_URI_HOST:
    case COAP_OPTION_URI_PORT:
        return true; /* there is one host here */
    case COAP_OPTION_ETAG:
        if (message->etag.length == 0 && length >= 1 && length <= COAP_ETAG_BYTES) {
            message->etag = (struct coap_text){value, length};
        }
        return true;
    case COAP_OPTION_OBSERVE:
        return short_number(value, length, 3, &message->observe);
    case COAP_OPTION_LOCATION_PATH:
        return append(message->location, COAP_SEGMENTS, &message->location_count, value, length);
    case COAP_OPTION_URI_PATH:
        return append(message->path, COAP_SEGMENTS, &message->path_count, value, length);
    case COAP_OPTION_CONTENT_FORMAT:
        return short_number(value, length, 2, &message->content_format);
    case COAP_OPTION_URI_QUERY:
        return append(message->query, COAP_QUERIES, &message->query_count, value, length);
    case COAP_OPTION_ACCEPT:
        return short_number(value, length, 2, &message->accept);
    case COAP_OPTION_BLOCK2:
        return block(value, length, &message->block2);
    case COAP_OPTION_BLOCK1:
        return block(value, length, &message->block1);
    case COAP_OPTION_SIZE2:
        return size(value, length, &message->size2);
    case COAP_OPTION_SIZE1:
        return size(value, length, &message->size1);
    default:
        return (option & 1u) == 0; /* odd numbers are critical */
    }
}

static enum coap_verdict take_options(struct reader *reader, struct coap_message *message)
{
    enum coap_verdict verdict = COAP_GOOD;
    uint32_t option = 0;
    while (reader->at < reader->length) {
        uint8_t first = reader->data[reader->at++];
        if (first == PAYLOAD_MARKER) {
            message->payload = (struct coap_text){reader->data + reader->at, reader->length - reader->at};
            return message->payload.length > 0 ? verdict : COAP_MALFORMED;
        }
        uint32_t delta, length;
        if (!extend(reader, first >> 4, &delta) || !extend(reader, first & 15u, &length) ||
            length > reader->length - reader->at) {
            return COAP_MALFORMED;
        }
        option += delta;
        if (option > UINT16_MAX) {
            return COAP_MALFORMED;
        }
        if (!take_option(message, option, reader->data + reader->at, length)) {
            verdict = COAP_UNUNDERSTOOD; /* but go on: the message may be malformed as a whole */
        }
        reader->at += length;
    }
    return verdict;
}

enum coap_verdict coap_parse(const uint8_t *data, uint32_t length, struct coap_message *message)
{
    memset(message, 0, sizeof *message);
    message->type = COAP_NON;
    message->observe = message->content_format = message->accept = COAP_ABSENT;
    message->size1 = message->size2 = COAP_ABSENT;
    if (length < HEADER_BYTES || data[0] >> 6 != 1) {
        return COAP_MALFORMED;
    }
    message->type = data[0] >> 4 & 3u;
    message->token_length = data[0] & 15u;
    message->code = data[1];
    message->id = (uint16_t)(data[2] << 8 | data[3]);
    if (message->token_length > COAP_TOKEN_BYTES || message->token_length > length - HEADER_BYTES) {
        message->token_length = 0;
        return COAP_MALFORMED;
    }
    if (message->code == COAP_EMPTY) {
        return length == HEADER_BYTES ? COAP_GOOD : COAP_MALFORMED;
    }
    memcpy(message->token, data + HEADER_BYTES, message->token_length);
    struct reader reader = {data, length, HEADER_BYTES + message->token_length};
    return take_options(&reader, message);
}

static void put(struct coap_writer *writer, const void *data, uint32_t length)
{
    if (writer->failed || length > writer->capacity - writer->length) {
        writer->failed = true;
        return;
    }
    if (length > 0) {
        memcpy(writer->data + writer->length, data, length);
    }
    writer->length += length;
}

static void put_byte(struct coap_writer *writer, uint32_t value)
{
    uint8_t byte = (uint8_t)value;
    put(writer, &byte, 1);
}

static uint32_t nibble(uint32_t value)
{
    return value < 13 ? value : value < 269 ? 13 : 14;
}

static void put_extension(struct coap_writer *writer, uint32_t value)
{
    if (value >= 269) {
        put_byte(writer, (value - 269) >> 8);
        put_byte(writer, value - 269);
    } else if (value >= 13) {
        put_byte(writer, value - 13);
    }
}

void coap_write_header(struct coap_writer *writer, enum coap_type type, uint8_t code, uint16_t id,
                       const uint8_t *token, uint32_t token_length)
{
    writer->length = 0;
    writer->last_option = 0;
    writer->failed = token_length > COAP_TOKEN_BYTES;
    put_byte(writer, 1u << 6 | (uint32_t)type << 4 | token_length);
    put_byte(writer, code);
    put_byte(writer, id >> 8);
    put_byte(writer, id);
    put(writer, token, token_length);
}

void coap_write_option(struct coap_writer *writer, enum coap_option option, const void *value, uint32_t length)
{
    if (option < writer->last_option) {
        writer->failed = true;
        return;
    }
    uint32_t delta = option - writer->last_option;
    put_byte(writer, nibble(delta) << 4 | nibble(length));
    put_extension(writer, delta);
    put_extension(writer, length);
    put(writer, value, length);
    writer->last_option = option;
}

void coap_write_number(struct coap_writer *writer, enum coap_option option, uint32_t value)
{
    uint8_t bytes[4] = {(uint8_t)(value >> 24), (uint8_t)(value >> 16), (uint8_t)(value >> 8), (uint8_t)value};
    uint32_t skip = 0;
    while (skip < sizeof bytes && bytes[skip] == 0) {
        skip++;
    }
    coap_write_option(writer, option, bytes + skip, (uint32_t)sizeof bytes - skip);
}

void coap_write_string(struct coap_writer *writer, enum coap_option option, const char *value)
{
    coap_write_option(writer, option, value, (uint32_t)strlen(value));
}

void coap_write_block(struct coap_writer *writer, enum coap_option option, const struct coap_block *value)
{
    if (value->number > MAX_BLOCK_NUMBER) {
        writer->failed = true;
        return;
    }
    coap_write_number(writer, option, value->number << 4 | (uint32_t)value->more << 3 | value->exponent);
}

void coap_write_payload(struct coap_writer *writer, const void *payload, uint32_t length)
{
    if (length > 0) {
        put_byte(writer, PAYLOAD_MARKER);
        put(writer, payload, length);
    }
}
