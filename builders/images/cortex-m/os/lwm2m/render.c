/* Values of the tree as text, bytes, CBOR, TLV (Core 1.1.1, section 7.4.3) and SenML CBOR (section 7.4.5). */
#include "lwm2m/render.h"

#include <string.h>

#include "lwm2m/cbor.h"

#define TLV_OBJECT_INSTANCE 0x00u
#define TLV_RESOURCE_INSTANCE 0x40u
#define TLV_MULTIPLE_RESOURCE 0x80u
#define TLV_RESOURCE 0xC0u

#define SENML_NAME 0
#define SENML_VALUE 2
#define SENML_STRING 3
#define SENML_BOOLEAN 4
#define SENML_DATA 8

static const struct resource *single(const struct path *path)
{
    const struct object *object = path->level >= 3 ? tree_object(path->ids[0]) : 0;
    const struct resource *resource = object != 0 ? tree_resource(object, path->ids[2]) : 0;
    bool whole = resource != 0 && path->level == 3 && (resource->operations & RESOURCE_MULTIPLE) != 0;
    return whole ? 0 : resource;
}

int32_t render_format(const struct path *path, int32_t accept)
{
    const struct resource *resource = single(path);
    switch (accept) {
    case COAP_ABSENT:
        return resource == 0 ? FORMAT_TLV : resource->type == VALUE_OPAQUE ? FORMAT_OPAQUE : FORMAT_TEXT;
    case FORMAT_TEXT:
        return resource != 0 && resource->type != VALUE_OPAQUE ? accept : COAP_ABSENT;
    case FORMAT_OPAQUE:
        return resource != 0 && resource->type == VALUE_OPAQUE ? accept : COAP_ABSENT;
    case FORMAT_CBOR:
        return resource != 0 ? accept : COAP_ABSENT;
    case FORMAT_TLV:
        return path->level > 0 ? accept : COAP_ABSENT;
    case FORMAT_SENML_CBOR:
        return accept;
    default:
        return COAP_ABSENT;
    }
}

static uint32_t integer_bytes(int64_t value)
{
    return value >= INT8_MIN && value <= INT8_MAX     ? 1
           : value >= INT16_MIN && value <= INT16_MAX ? 2
           : value >= INT32_MIN && value <= INT32_MAX ? 4
                                                      : 8;
}

static void tlv_head(struct window *window, uint32_t kind, uint16_t id, uint32_t length)
{
    uint32_t bytes = length < 8 ? 0 : length <= 0xFF ? 1 : length <= 0xFFFF ? 2 : 3;
    window_put_byte(window, kind | (id > 0xFF ? 0x20u : 0) | bytes << 3 | (bytes == 0 ? length : 0));
    window_put_big_endian(window, id, id > 0xFF ? 2 : 1);
    window_put_big_endian(window, length, bytes);
}

static uint32_t float_bits(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static void tlv_value(struct window *window, uint32_t kind, uint16_t id, const struct value *value)
{
    if (value->type == VALUE_INTEGER || value->type == VALUE_BOOLEAN) {
        uint32_t bytes = value->type == VALUE_BOOLEAN ? 1 : integer_bytes(value->integer);
        tlv_head(window, kind, id, bytes);
        window_put_big_endian(window, (uint64_t)value->integer, bytes);
    } else if (value->type == VALUE_FLOAT) {
        tlv_head(window, kind, id, sizeof value->real);
        window_put_big_endian(window, float_bits(value->real), sizeof value->real);
    } else {
        tlv_head(window, kind, id, value->length);
        value_put(window, value);
    }
}

static void tlv_resource_instances(struct window *window, const struct path *path)
{
    struct value value;
    for (uint16_t index = 0; tree_read(path, index, &value); index++) {
        tlv_value(window, TLV_RESOURCE_INSTANCE, index, &value);
    }
}

static void tlv_resource(struct window *window, const struct path *path, const struct resource *resource)
{
    struct value value;
    if ((resource->operations & RESOURCE_R) == 0) {
        return;
    }
    if ((resource->operations & RESOURCE_MULTIPLE) == 0) {
        if (tree_read(path, 0, &value)) {
            tlv_value(window, TLV_RESOURCE, resource->id, &value);
        }
        return;
    }
    struct window inner = window_of(0, 0, 0);
    tlv_resource_instances(&inner, path);
    tlv_head(window, TLV_MULTIPLE_RESOURCE, resource->id, inner.total);
    tlv_resource_instances(window, path);
}

static void tlv_resources(struct window *window, const struct path *path, const struct object *object)
{
    for (uint32_t index = 0; index < object->resource_count; index++) {
        struct path below = path_below(path, object->resources[index].id);
        tlv_resource(window, &below, &object->resources[index]);
    }
}

static void render_tlv(struct window *window, const struct path *path)
{
    const struct object *object = tree_object(path->ids[0]);
    struct value value;
    switch (path->level) {
    case 1:
        for (uint16_t instance = 0; instance < object->instances; instance++) {
            struct path below = path_below(path, instance);
            struct window inner = window_of(0, 0, 0);
            tlv_resources(&inner, &below, object);
            tlv_head(window, TLV_OBJECT_INSTANCE, instance, inner.total);
            tlv_resources(window, &below, object);
        }
        break;
    case 2:
        tlv_resources(window, path, object);
        break;
    case 3:
        tlv_resource(window, path, tree_resource(object, path->ids[2]));
        break;
    default:
        if (tree_read(path, path->ids[3], &value)) {
            tlv_value(window, TLV_RESOURCE_INSTANCE, path->ids[3], &value);
        }
    }
}

static void count_leaf(void *context, const struct path *path, const struct value *value)
{
    (void)path;
    (void)value;
    ++*(uint32_t *)context;
}

static void senml_leaf(void *context, const struct path *path, const struct value *value)
{
    struct window *window = context;
    static const int8_t keys[] = {
        [VALUE_STRING] = SENML_STRING,
        [VALUE_OPAQUE] = SENML_DATA,
        [VALUE_INTEGER] = SENML_VALUE,
        [VALUE_BOOLEAN] = SENML_BOOLEAN,
        [VALUE_FLOAT] = SENML_VALUE,
    };
    uint8_t text[PATH_TEXT_BYTES];
    struct window name = window_of(text, 0, sizeof text);
    path_put(&name, path);
    cbor_put_head(window, CBOR_MAP, 2);
    cbor_put_integer(window, SENML_NAME);
    cbor_put_head(window, CBOR_TEXT, name.length);
    window_put(window, text, name.length);
    cbor_put_integer(window, keys[value->type]);
    cbor_put_value(window, value);
}

void render_senml(struct window *window, const struct path *paths, uint32_t count)
{
    uint32_t leaves = 0;
    for (uint32_t index = 0; index < count; index++) {
        tree_visit(&paths[index], count_leaf, &leaves);
    }
    cbor_put_head(window, CBOR_ARRAY, leaves);
    for (uint32_t index = 0; index < count; index++) {
        tree_visit(&paths[index], senml_leaf, window);
    }
}

void render_path(struct window *window, const struct path *path, int32_t format)
{
    struct value value;
    uint32_t index = path->level == 4 ? path->ids[3] : 0;
    if (format == FORMAT_TLV) {
        render_tlv(window, path);
    } else if (format == FORMAT_SENML_CBOR) {
        render_senml(window, path, 1);
    } else if (!tree_read(path, index, &value)) {
        return;
    } else if (format == FORMAT_CBOR) {
        cbor_put_value(window, &value);
    } else if (value.type == VALUE_INTEGER || value.type == VALUE_BOOLEAN) {
        window_put_decimal(window, value.integer);
    } else if (value.type == VALUE_FLOAT) {
        window_put_float(window, value.real);
    } else {
        value_put(window, &value);
    }
}
