/* Written content as typed values of writable resources: text, opaque, CBOR, TLV and SenML CBOR. */
#ifndef LWM2M_DECODE_H
#define LWM2M_DECODE_H

#include <stdint.h>

#include "lwm2m/tree.h"

struct written {
    struct path path; /* of a resource */
    struct value value;
};

/* What `content` means when it is written to `path`, an instance or a resource. COAP_CHANGED, and up to OBJECT_WRITES
   values that point into the content; or the code to refuse with. */
enum coap_code decode_write(const struct path *path, int32_t format, const struct coap_text *content,
                            struct written *written, uint32_t *count);

/* The paths of a composite read: the names in a SenML CBOR pack. */
enum coap_code decode_paths(const struct coap_text *content, struct path *paths, uint32_t capacity, uint32_t *count);

#endif
