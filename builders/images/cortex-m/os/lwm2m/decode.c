/* Written content as typed values. Every length is checked: the content comes from the network. */
#include "lwm2m/decode.h"

#include <string.h>

#include "lwm2m/cbor.h"
#include "lwm2m/render.h"

#define TLV_KIND 0xC0u
#define TLV_OBJECT_INSTANCE 0x00u
#define TLV_RESOURCE 0xC0u
#define TLV_WIDE_ID 0x20u
#define DECIMAL_DIGITS 18u /* fits an int64 with no look at the last digit */

#define SENML_BASE_NAME (-2)
#define SENML_NAME 0
#define SENML_VALUE 2
#define SENML_STRING 3
#define SENML_BOOLEAN 4
#define SENML_DATA 8

static bool text_integer(const struct coap_text *text, int64_t *result)
{
    bool negative = text->length > 0 && text->data[0] == '-';
    uint32_t at = negative ? 1 : 0;
    if (text->length == at || text->length - at > DECIMAL_DIGITS) {
        return false;
    }
    int64_t value = 0;
    for (; at < text->length; at++) {
        if (text->data[at] < '0' || text->data[at] > '9') {
            return false;
        }
        value = value * 10 + (text->data[at] - '0');
    }
    *result = negative ? -value : value;
    return true;
}

static bool binary_integer(const struct coap_text *bytes, int64_t *result)
{
    if (bytes->length != 1 && bytes->length != 2 && bytes->length != 4 && bytes->length != 8) {
        return false;
    }
    uint64_t value = (bytes->data[0] & 0x80u) != 0 ? UINT64_MAX : 0;
    for (uint32_t index = 0; index < bytes->length; index++) {
        value = value << 8 | bytes->data[index];
    }
    memcpy(result, &value, sizeof value); /* two's complement on both sides */
    return true;
}

/* Bytes of text or TLV, which do not say what they are. */
static bool untyped(enum value_type type, const struct coap_text *bytes, bool text, struct value *value)
{
    *value = (struct value){.type = type, .data = bytes->data, .length = bytes->length};
    switch (type) {
    case VALUE_STRING:
        return true;
    case VALUE_OPAQUE:
        return !text; /* base64: no server sends it where it may send the bytes */
    case VALUE_INTEGER:
        return text ? text_integer(bytes, &value->integer) : binary_integer(bytes, &value->integer);
    case VALUE_BOOLEAN:
        return (text ? text_integer(bytes, &value->integer) : binary_integer(bytes, &value->integer)) &&
               (value->integer == 0 || value->integer == 1);
    default:
        return false;
    }
}

static enum coap_code find(const struct path *path, const struct resource **resource)
{
    const struct object *object = tree_object(path->ids[0]);
    if (path->level < 3 || !tree_has(path)) {
        return COAP_NOT_FOUND;
    }
    *resource = tree_resource(object, path->ids[2]);
    uint32_t level = ((*resource)->operations & RESOURCE_MULTIPLE) != 0 ? 4 : 3; /* where its values are */
    bool writable = ((*resource)->operations & RESOURCE_W) != 0 && path->level == level;
    return writable ? COAP_CHANGED : COAP_METHOD_NOT_ALLOWED;
}

static enum coap_code add(struct written *written, uint32_t *count, const struct path *path, const struct value *value)
{
    if (*count == OBJECT_WRITES) {
        return COAP_TOO_LARGE;
    }
    written[*count] = (struct written){*path, *value};
    (*count)++;
    return COAP_CHANGED;
}

static enum coap_code add_untyped(struct written *written, uint32_t *count, const struct path *path,
                                  const struct coap_text *bytes, bool text)
{
    const struct resource *resource = 0;
    struct value value;
    enum coap_code code = find(path, &resource);
    if (code != COAP_CHANGED) {
        return code;
    }
    return untyped(resource->type, bytes, text, &value) ? add(written, count, path, &value) : COAP_BAD_REQUEST;
}

static enum coap_code add_typed(struct written *written, uint32_t *count, const struct path *path,
                                const struct value *value)
{
    const struct resource *resource = 0;
    enum coap_code code = find(path, &resource);
    if (code != COAP_CHANGED) {
        return code;
    }
    return value->type == resource->type ? add(written, count, path, value) : COAP_BAD_REQUEST;
}

struct tlv {
    uint32_t kind;
    uint16_t id;
    struct coap_text content;
};

static bool tlv_take(struct coap_text *rest, struct tlv *tlv)
{
    if (rest->length < 2) {
        return false;
    }
    uint8_t type = rest->data[0];
    uint32_t id_bytes = (type & TLV_WIDE_ID) != 0 ? 2 : 1;
    uint32_t length_bytes = type >> 3 & 3u;
    uint32_t head = 1 + id_bytes + length_bytes;
    if (head > rest->length) {
        return false;
    }
    uint32_t length = type & 7u;
    tlv->kind = type & TLV_KIND;
    tlv->id = id_bytes == 2 ? (uint16_t)(rest->data[1] << 8 | rest->data[2]) : rest->data[1];
    if (length_bytes > 0) {
        length = 0;
        for (uint32_t index = 0; index < length_bytes; index++) {
            length = length << 8 | rest->data[1 + id_bytes + index];
        }
    }
    if (length > rest->length - head) {
        return false;
    }
    tlv->content = (struct coap_text){rest->data + head, length};
    *rest = (struct coap_text){rest->data + head + length, rest->length - head - length};
    return true;
}

static enum coap_code decode_tlv(const struct path *path, struct coap_text rest, struct written *written,
                                 uint32_t *count)
{
    struct tlv tlv;
    while (rest.length > 0) {
        if (!tlv_take(&rest, &tlv)) {
            return COAP_BAD_REQUEST;
        }
        if (tlv.kind == TLV_OBJECT_INSTANCE && path->level == 2 && tlv.id == path->ids[1] && rest.length == 0) {
            rest = tlv.content; /* some servers send the instance with its head; only once, as nothing follows it */
            if (rest.length > 0 && (rest.data[0] & TLV_KIND) == TLV_OBJECT_INSTANCE) {
                return COAP_BAD_REQUEST;
            }
            continue;
        }
        struct path instance = {.level = 2, .ids = {path->ids[0], path->ids[1]}};
        struct path below = path_below(&instance, tlv.id);
        if (tlv.kind != TLV_RESOURCE || (path->level >= 3 && !path_equal(&below, path))) {
            return COAP_BAD_REQUEST;
        }
        enum coap_code code = add_untyped(written, count, &below, &tlv.content, false);
        if (code != COAP_CHANGED) {
            return code;
        }
    }
    return COAP_CHANGED;
}

struct record {
    uint8_t name[PATH_TEXT_BYTES];
    uint32_t base_length; /* of the name: what later records begin with */
    uint32_t name_length;
    bool has_value;
    struct value value;
};

static bool take_base(struct record *record, const struct coap_text *text)
{
    if (text->length > sizeof record->name) {
        return false;
    }
    memcpy(record->name, text->data, text->length);
    record->base_length = text->length;
    return true;
}

static bool take_pair(struct cbor_reader *reader, struct record *record, struct coap_text *name)
{
    struct cbor_item key, item;
    struct value label;
    if (!cbor_take(reader, &key) || !cbor_value(&key, &label)) {
        return false;
    }
    bool known = label.type == VALUE_INTEGER &&
                 (label.integer == SENML_BASE_NAME || label.integer == SENML_NAME || label.integer == SENML_VALUE ||
                  label.integer == SENML_STRING || label.integer == SENML_BOOLEAN || label.integer == SENML_DATA);
    if (!known) {
        return cbor_skip(reader); /* times and units say nothing here */
    }
    if (!cbor_take(reader, &item)) {
        return false;
    }
    if (label.integer == SENML_BASE_NAME) {
        return item.major == CBOR_TEXT && take_base(record, &item.bytes);
    }
    if (label.integer == SENML_NAME) {
        *name = item.bytes;
        return item.major == CBOR_TEXT;
    }
    record->has_value = true;
    return cbor_value(&item, &record->value);
}

/* The next record of a pack; its name is complete afterwards. */
static bool take_record(struct cbor_reader *reader, struct record *record)
{
    struct cbor_item map;
    struct coap_text name = {0, 0};
    record->has_value = false;
    if (!cbor_take(reader, &map) || map.major != CBOR_MAP || map.argument > reader->length) {
        return false;
    }
    uint64_t left = map.argument;
    while (map.indefinite ? !cbor_take_break(reader) : left-- > 0) {
        if (!take_pair(reader, record, &name)) {
            return false;
        }
    }
    if (name.length > sizeof record->name - record->base_length) {
        return false;
    }
    if (name.length > 0) {
        memcpy(record->name + record->base_length, name.data, name.length);
    }
    record->name_length = record->base_length + name.length;
    return true;
}

typedef enum coap_code (*record_taker)(void *context, const struct path *path, const struct record *record);

static enum coap_code take_pack(const struct coap_text *content, record_taker take, void *context)
{
    struct cbor_reader reader = {content->data, content->length, 0};
    struct cbor_item array;
    struct record record = {.base_length = 0};
    if (!cbor_take(&reader, &array) || array.major != CBOR_ARRAY || array.argument > content->length) {
        return COAP_BAD_REQUEST;
    }
    uint64_t left = array.argument;
    while (array.indefinite ? !cbor_take_break(&reader) : left-- > 0) {
        struct path path;
        if (!take_record(&reader, &record) || !path_of_text(record.name, record.name_length, &path)) {
            return COAP_BAD_REQUEST;
        }
        enum coap_code code = take(context, &path, &record);
        if (code != COAP_CHANGED) {
            return code;
        }
    }
    return reader.at == reader.length ? COAP_CHANGED : COAP_BAD_REQUEST;
}

struct write_context {
    const struct path *path;
    struct written *written;
    uint32_t *count;
};

static enum coap_code take_written(void *context, const struct path *path, const struct record *record)
{
    struct write_context *to = context;
    if (!record->has_value || !path_contains(to->path, path)) {
        return COAP_BAD_REQUEST;
    }
    return add_typed(to->written, to->count, path, &record->value);
}

enum coap_code decode_write(const struct path *path, int32_t format, const struct coap_text *content,
                            struct written *written, uint32_t *count)
{
    *count = 0;
    if (format == FORMAT_TLV) {
        return decode_tlv(path, *content, written, count);
    }
    if (format == FORMAT_SENML_CBOR) {
        struct write_context context = {path, written, count};
        return take_pack(content, take_written, &context);
    }
    if (path->level < 3) {
        return COAP_UNSUPPORTED_FORMAT;
    }
    if (format == FORMAT_TEXT || format == COAP_ABSENT) {
        return add_untyped(written, count, path, content, true);
    }
    if (format == FORMAT_OPAQUE) {
        struct value value = value_opaque(content->data, content->length);
        return add_typed(written, count, path, &value);
    }
    if (format == FORMAT_CBOR) {
        struct cbor_reader reader = {content->data, content->length, 0};
        struct cbor_item item;
        struct value value;
        bool whole = cbor_take(&reader, &item) && cbor_value(&item, &value) && reader.at == reader.length;
        return whole ? add_typed(written, count, path, &value) : COAP_BAD_REQUEST;
    }
    return COAP_UNSUPPORTED_FORMAT;
}

struct paths_context {
    struct path *paths;
    uint32_t capacity;
    uint32_t *count;
};

static enum coap_code take_path(void *context, const struct path *path, const struct record *record)
{
    struct paths_context *to = context;
    if (record->has_value || *to->count == to->capacity) {
        return COAP_BAD_REQUEST;
    }
    to->paths[(*to->count)++] = *path;
    return COAP_CHANGED;
}

enum coap_code decode_paths(const struct coap_text *content, struct path *paths, uint32_t capacity, uint32_t *count)
{
    struct paths_context context = {paths, capacity, count};
    *count = 0;
    return take_pack(content, take_path, &context);
}
