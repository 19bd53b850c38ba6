/* What an object of the device is: a table of resources, and functions that read, write and execute them. */
#ifndef LWM2M_OBJECT_H
#define LWM2M_OBJECT_H

#include <stdbool.h>
#include <stdint.h>

#include "lwm2m/coap_message.h"

struct window;

enum value_type { VALUE_NONE, VALUE_STRING, VALUE_OPAQUE, VALUE_INTEGER, VALUE_BOOLEAN, VALUE_FLOAT };

struct value {
    enum value_type type;
    int64_t integer;     /* also of a boolean */
    float real;          /* of a float, finite */
    const uint8_t *data; /* of strings and opaques */
    uint32_t length;
    void (*put)(struct window *window); /* not 0: gives the bytes, which are nowhere as a whole */
};

enum resource_operation {
    RESOURCE_R = 1,
    RESOURCE_W = 2,
    RESOURCE_E = 4,
    RESOURCE_MULTIPLE = 8,
    RESOURCE_UNOBSERVED = 16, /* outgrows a datagram, or changes all the time */
};

struct resource {
    uint16_t id;
    enum value_type type;
    uint8_t operations;
};

#define OBJECT_WRITES 8u /* resources that one request may write */

struct object {
    uint16_t id;
    const char *version; /* 0: 1.0 */
    uint16_t instances;  /* numbered from 0 */
    const struct resource *resources;
    uint32_t resource_count;
    /* The value of a resource, of a multiple one the `index`th; false when there is none. */
    bool (*read)(uint16_t instance, uint16_t resource, uint32_t index, struct value *value);
    /* Write one resource, or with `check` only say how it would go. A CoAP code. 0: nothing can be written. */
    enum coap_code (*write)(uint16_t instance, uint16_t resource, const struct value *value, bool check);
    enum coap_code (*execute)(uint16_t instance, uint16_t resource, const struct coap_text *arguments);
};

static inline struct value value_integer(int64_t integer)
{
    return (struct value){.type = VALUE_INTEGER, .integer = integer};
}

static inline struct value value_boolean(bool boolean)
{
    return (struct value){.type = VALUE_BOOLEAN, .integer = boolean};
}

static inline struct value value_float(float real)
{
    return (struct value){.type = VALUE_FLOAT, .real = real};
}

static inline struct value value_opaque(const uint8_t *data, uint32_t length)
{
    return (struct value){.type = VALUE_OPAQUE, .data = data, .length = length};
}

struct value value_string(const char *text);

/* The bytes of a string or an opaque. */
void value_put(struct window *window, const struct value *value);

extern const struct object object_server;
extern const struct object object_device;
extern const struct object object_firmware;
extern const struct object object_software;
extern const struct object object_board;
extern const struct object object_inference;

#endif
