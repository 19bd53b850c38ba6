/* Values of the tree in the content formats of LwM2M (Core 1.1.1, section 7.4). */
#ifndef LWM2M_RENDER_H
#define LWM2M_RENDER_H

#include <stdint.h>

#include "lwm2m/tree.h"

enum content_format {
    FORMAT_TEXT = 0,
    FORMAT_LINK = 40,
    FORMAT_OPAQUE = 42,
    FORMAT_CBOR = 60,
    FORMAT_SENML_CBOR = 112,
    FORMAT_TLV = 11542,
};

/* The format for a path: the one asked for when the path can be shown in it, a good one when COAP_ABSENT is, or else
   COAP_ABSENT. */
int32_t render_format(const struct path *path, int32_t accept);

/* The content of a path in a format that render_format chose. */
void render_path(struct window *window, const struct path *path, int32_t format);

/* All values at and below several paths as one SenML pack, under their full names. */
void render_senml(struct window *window, const struct path *paths, uint32_t count);

#endif
