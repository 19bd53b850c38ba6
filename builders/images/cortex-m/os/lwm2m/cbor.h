/* CBOR (RFC 8949) as far as SenML and single values need it. */
#ifndef LWM2M_CBOR_H
#define LWM2M_CBOR_H

#include <stdbool.h>
#include <stdint.h>

#include "lwm2m/object.h"
#include "lwm2m/window.h"

enum cbor_major { CBOR_UNSIGNED, CBOR_NEGATIVE, CBOR_BYTES, CBOR_TEXT, CBOR_ARRAY, CBOR_MAP, CBOR_TAG, CBOR_SIMPLE };

void cbor_put_head(struct window *window, enum cbor_major major, uint64_t argument);
void cbor_put_integer(struct window *window, int64_t value);
void cbor_put_float(struct window *window, float value); /* as float32 */
void cbor_put_value(struct window *window, const struct value *value);

struct cbor_reader {
    const uint8_t *data;
    uint32_t length;
    uint32_t at;
};

struct cbor_item {
    enum cbor_major major;
    bool indefinite;        /* a string, array or map without a length */
    uint64_t argument;      /* number, length, count, tag or simple value */
    struct coap_text bytes; /* of a string */
};

/* The next item's head, and a string's bytes; false at the end, or when it is none. */
bool cbor_take(struct cbor_reader *reader, struct cbor_item *item);

/* Whether the next byte ends an indefinite array or map; takes it. */
bool cbor_take_break(struct cbor_reader *reader);

/* Pass over one item with all that it contains; false when it is damaged, or nested more than a few levels. */
bool cbor_skip(struct cbor_reader *reader);

/* A number within int64, a boolean, a text or bytes as a value; false for anything else. */
bool cbor_value(const struct cbor_item *item, struct value *value);

#endif
