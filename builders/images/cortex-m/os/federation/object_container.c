/* Object 19, BinaryAppDataContainer (OMA, version 1.0): instance 0 takes a round's head, instance 1 gives its update. */
#include "federation/head_document.h"
#include "federation/objects.h"
#include "lwm2m/refusal.h"

#define DATA 0u
#define DESCRIPTION 3u
#define FORMAT 4u
#define APP_ID 5u

#define HEAD 0u
#define TRAINING_OBJECT 26243

static const struct resource resources[] = {
    {DATA, VALUE_OPAQUE, RESOURCE_R | RESOURCE_W | RESOURCE_MULTIPLE | RESOURCE_UNOBSERVED},
    {DESCRIPTION, VALUE_STRING, RESOURCE_R},
    {FORMAT, VALUE_STRING, RESOURCE_R},
    {APP_ID, VALUE_INTEGER, RESOURCE_R},
};

/* What was written to instance 0 was taken apart and is not kept: it reads as nothing. */
static struct value data(uint16_t instance)
{
    struct window window = window_of(0, 0, 0);
    if (instance == HEAD) {
        return value_opaque((const uint8_t *)"", 0);
    }
    head_document_put_update(&window);
    return (struct value){.type = VALUE_OPAQUE, .length = window.total, .put = head_document_put_update};
}

static bool read(uint16_t instance, uint16_t resource, uint32_t index, struct value *value)
{
    switch (resource) {
    case DATA:
        *value = data(instance);
        break;
    case DESCRIPTION:
        *value = value_string(instance == HEAD ? "global model of a round: the head" : "update of the last round");
        break;
    case FORMAT:
        *value = value_string("cbor");
        break;
    default:
        *value = value_integer(TRAINING_OBJECT);
    }
    return index == 0;
}

static enum coap_code write(uint16_t instance, uint16_t resource, const struct value *value, bool check)
{
    (void)resource;
    if (instance != HEAD) {
        return refuse(COAP_METHOD_NOT_ALLOWED, "the update is read; a head is written to /19/0/0/0");
    }
    return check ? COAP_CHANGED : head_document_take(value->data, value->length);
}

const struct object object_container = {
    .id = 19,
    .instances = 2,
    .resources = resources,
    .resource_count = sizeof resources / sizeof resources[0],
    .read = read,
    .write = write,
};
