/* Paths, and the objects that they lead to. */
#ifndef LWM2M_TREE_H
#define LWM2M_TREE_H

#include <stdbool.h>
#include <stdint.h>

#include "lwm2m/object.h"
#include "lwm2m/window.h"

#define PATH_LEVELS 4u /* object, instance, resource, resource instance */
#define PATH_TEXT_BYTES 24u

struct path {
    uint32_t level;
    uint16_t ids[PATH_LEVELS];
};

/* From Uri-Path; false when it has other things than numbers. */
bool path_of_segments(const struct coap_text *segments, uint32_t count, struct path *path);

/* From text such as /3/0/9; false when it is none. */
bool path_of_text(const uint8_t *text, uint32_t length, struct path *path);

void path_put(struct window *window, const struct path *path);
struct path path_below(const struct path *path, uint16_t id);
bool path_equal(const struct path *one, const struct path *other);
/* Whether `inner` is `outer` or lies below it. */
bool path_contains(const struct path *outer, const struct path *inner);

/* The objects, in the order of their numbers: of a device that trains (federation/), or of one that does not (plain/). */
extern const struct object *const tree_objects[];
extern const uint32_t tree_object_count;

const struct object *tree_object(uint16_t id);
const struct resource *tree_resource(const struct object *object, uint16_t id);

/* Whether there is something at the path, be it readable or not; the root counts. */
bool tree_has(const struct path *path);

/* Read a value of the tree: `path` has three levels and `index` counts the values of a multiple resource. */
bool tree_read(const struct path *path, uint32_t index, struct value *value);

/* Call `visit` for every readable value at or below a path, with its path. */
typedef void (*tree_visitor)(void *context, const struct path *path, const struct value *value);
void tree_visit(const struct path *path, tree_visitor visit, void *context);

/* The object list of a registration (Core 1.1.1, section 6.2.1). */
void tree_put_links(struct window *window);

#endif
