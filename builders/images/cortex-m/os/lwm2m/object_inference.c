/* Object 26242, "Inference": give the model an input, and read what it makes of it. */
#include "core/inference.h"

#include "core/status.h"
#include "lwm2m/object.h"
#include "lwm2m/refusal.h"
#include "lwm2m/snapshot.h"

#define INPUT 0u
#define OUTPUT 1u
#define SEQUENCE 2u
#define INSTRUCTIONS 3u

static const struct resource resources[] = {
    {INPUT, VALUE_OPAQUE, RESOURCE_W},
    {OUTPUT, VALUE_OPAQUE, RESOURCE_R},
    {SEQUENCE, VALUE_INTEGER, RESOURCE_R},
    {INSTRUCTIONS, VALUE_INTEGER, RESOURCE_R},
};

static bool read(uint16_t instance, uint16_t resource, uint32_t index, struct value *value)
{
    (void)instance;
    const struct snapshot *snapshot = snapshot_last();
    const struct inference_result *result = &snapshot->result;
    switch (resource) {
    case OUTPUT:
        *value = value_opaque(result->output, snapshot->has_result ? result->length : 0);
        break;
    case SEQUENCE:
        *value = value_integer(snapshot->has_result ? result->sequence : 0);
        break;
    default:
        *value = value_integer(snapshot->has_result ? result->instructions : 0);
    }
    return index == 0;
}

static enum coap_code write(uint16_t instance, uint16_t resource, const struct value *value, bool check)
{
    (void)instance;
    (void)resource;
    if (check) {
        return value->length == inference_input_bytes()
                   ? COAP_CHANGED
                   : refuse(COAP_BAD_REQUEST, "not as many bytes as the model's input tensors have");
    }
    int status = inference_submit(value->data, value->length);
    if (status == OS_TOO_LARGE) { /* and will be for ever: no reason to try again */
        return refuse(COAP_TOO_LARGE, "the model's inputs or outputs are larger than what is kept of them");
    }
    return status == OS_OK ? COAP_CHANGED : refuse(COAP_UNAVAILABLE, "the input before this one waits: try again");
}

const struct object object_inference = {
    .id = 26242,
    .instances = 1,
    .resources = resources,
    .resource_count = sizeof resources / sizeof resources[0],
    .read = read,
    .write = write,
};
