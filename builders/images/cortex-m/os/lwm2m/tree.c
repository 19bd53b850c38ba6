/* Paths, and the objects that they lead to. */
#include "lwm2m/tree.h"

#include <string.h>

#define MAX_ID 65534u /* 65535 stands for none */

static bool parse_id(const uint8_t *text, uint32_t length, uint16_t *id)
{
    uint32_t value = 0;
    if (length == 0 || length > 5 || (length > 1 && text[0] == '0')) {
        return false;
    }
    for (uint32_t index = 0; index < length; index++) {
        if (text[index] < '0' || text[index] > '9') {
            return false;
        }
        value = value * 10 + (text[index] - '0');
    }
    *id = (uint16_t)value;
    return value <= MAX_ID;
}

bool path_of_segments(const struct coap_text *segments, uint32_t count, struct path *path)
{
    if (count == 1 && segments[0].length == 0) {
        count = 0; /* a lone empty segment is the root too */
    }
    if (count > PATH_LEVELS) {
        return false;
    }
    *path = (struct path){.level = count};
    for (uint32_t index = 0; index < count; index++) {
        if (!parse_id(segments[index].data, segments[index].length, &path->ids[index])) {
            return false;
        }
    }
    return true;
}

bool path_of_text(const uint8_t *text, uint32_t length, struct path *path)
{
    *path = (struct path){.level = 0};
    if (length == 1 && text[0] == '/') {
        return true;
    }
    uint32_t at = 0;
    while (at < length) {
        if (text[at] != '/' || path->level == PATH_LEVELS) {
            return false;
        }
        uint32_t begin = ++at;
        while (at < length && text[at] != '/') {
            at++;
        }
        if (!parse_id(text + begin, at - begin, &path->ids[path->level++])) {
            return false;
        }
    }
    return path->level > 0;
}

void path_put(struct window *window, const struct path *path)
{
    for (uint32_t level = 0; level < path->level; level++) {
        window_put_byte(window, '/');
        window_put_decimal(window, path->ids[level]);
    }
    if (path->level == 0) {
        window_put_byte(window, '/');
    }
}

struct path path_below(const struct path *path, uint16_t id)
{
    struct path below = *path;
    below.ids[below.level++] = id;
    return below;
}

bool path_contains(const struct path *outer, const struct path *inner)
{
    return outer->level <= inner->level && memcmp(outer->ids, inner->ids, outer->level * sizeof outer->ids[0]) == 0;
}

bool path_equal(const struct path *one, const struct path *other)
{
    return one->level == other->level && path_contains(one, other);
}

const struct object *tree_object(uint16_t id)
{
    for (uint32_t index = 0; index < tree_object_count; index++) {
        if (tree_objects[index]->id == id) {
            return tree_objects[index];
        }
    }
    return 0;
}

const struct resource *tree_resource(const struct object *object, uint16_t id)
{
    for (uint32_t index = 0; index < object->resource_count; index++) {
        if (object->resources[index].id == id) {
            return &object->resources[index];
        }
    }
    return 0;
}

bool tree_read(const struct path *path, uint32_t index, struct value *value)
{
    const struct object *object = tree_object(path->ids[0]);
    const struct resource *resource = object != 0 ? tree_resource(object, path->ids[2]) : 0;
    bool known = resource != 0 && path->ids[1] < object->instances && (resource->operations & RESOURCE_R) != 0;
    return known && object->read(path->ids[1], path->ids[2], index, value);
}

bool tree_has(const struct path *path)
{
    if (path->level == 0) {
        return true;
    }
    const struct object *object = tree_object(path->ids[0]);
    if (object == 0 || (path->level > 1 && path->ids[1] >= object->instances)) {
        return false;
    }
    if (path->level <= 2) {
        return true;
    }
    const struct resource *resource = tree_resource(object, path->ids[2]);
    if (resource == 0 || path->level == 3) {
        return resource != 0;
    }
    struct value value;
    return (resource->operations & RESOURCE_MULTIPLE) != 0 && tree_read(path, path->ids[3], &value);
}

static void visit_resource(const struct path *path, const struct resource *resource, tree_visitor visit, void *context)
{
    struct value value;
    if ((resource->operations & RESOURCE_MULTIPLE) == 0) {
        if (tree_read(path, 0, &value)) {
            visit(context, path, &value);
        }
        return;
    }
    for (uint16_t index = 0; tree_read(path, index, &value); index++) {
        struct path below = path_below(path, index);
        visit(context, &below, &value);
    }
}

static void visit_instance(const struct path *path, const struct object *object, tree_visitor visit, void *context)
{
    for (uint32_t index = 0; index < object->resource_count; index++) {
        struct path below = path_below(path, object->resources[index].id);
        visit_resource(&below, &object->resources[index], visit, context);
    }
}

void tree_visit(const struct path *path, tree_visitor visit, void *context)
{
    if (path->level == 4) {
        struct value value;
        if (tree_has(path) && tree_read(path, path->ids[3], &value)) {
            visit(context, path, &value);
        }
        return;
    }
    for (uint32_t index = 0; index < tree_object_count; index++) {
        const struct object *object = tree_objects[index];
        if (path->level > 0 && path->ids[0] != object->id) {
            continue;
        }
        for (uint16_t instance = 0; instance < object->instances; instance++) {
            struct path below = {.level = 2, .ids = {object->id, instance}};
            if (path->level > 1 && path->ids[1] != instance) {
                continue;
            }
            const struct resource *resource = path->level == 3 ? tree_resource(object, path->ids[2]) : 0;
            if (path->level < 3) {
                visit_instance(&below, object, visit, context);
            } else if (resource != 0) {
                visit_resource(path, resource, visit, context);
            }
        }
    }
}

void tree_put_links(struct window *window)
{
    window_put_string(window, "</>;rt=\"oma.lwm2m\";ct=\"60 112 11542\"");
    for (uint32_t index = 0; index < tree_object_count; index++) {
        const struct object *object = tree_objects[index];
        struct path path = {.level = 1, .ids = {object->id}};
        if (object->version != 0) {
            window_put_string(window, ",<");
            path_put(window, &path);
            window_put_string(window, ">;ver=");
            window_put_string(window, object->version);
        }
        for (uint16_t instance = 0; instance < object->instances; instance++) {
            struct path below = path_below(&path, instance);
            window_put_string(window, ",<");
            path_put(window, &below);
            window_put_byte(window, '>');
        }
    }
}

void value_put(struct window *window, const struct value *value)
{
    if (value->put != 0) {
        value->put(window);
    } else {
        window_put(window, value->data, value->length);
    }
}

struct value value_string(const char *text)
{
    return (struct value){.type = VALUE_STRING, .data = (const uint8_t *)text, .length = (uint32_t)strlen(text)};
}
