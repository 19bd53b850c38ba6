/* Object 26241, "TinyMLaaS board": the last update's report, the model that runs, and measurements. */
#include "core/update.h"
#include "lwm2m/object.h"
#include "lwm2m/snapshot.h"

enum {
    REPORT,
    MODEL_SHA256,
    BOARD,
    INSTRUCTIONS,
    ARENA_BYTES,
    ABI,
    MODEL_SOURCE,
    RESET_REASON,
    LONGEST_GAP_TICKS,
    INFERENCE_TICKS,
    FREE_STACK,
    UPTIME_S,
    INFERENCES,
};

static const struct resource resources[] = {
    {REPORT, VALUE_STRING, RESOURCE_R | RESOURCE_UNOBSERVED},
    {MODEL_SHA256, VALUE_STRING, RESOURCE_R},
    {BOARD, VALUE_STRING, RESOURCE_R},
    {INSTRUCTIONS, VALUE_INTEGER, RESOURCE_R},
    {ARENA_BYTES, VALUE_INTEGER, RESOURCE_R},
    {ABI, VALUE_STRING, RESOURCE_R},
    {MODEL_SOURCE, VALUE_STRING, RESOURCE_R},
    {RESET_REASON, VALUE_STRING, RESOURCE_R},
    {LONGEST_GAP_TICKS, VALUE_INTEGER, RESOURCE_R},
    {INFERENCE_TICKS, VALUE_INTEGER, RESOURCE_R},
    {FREE_STACK, VALUE_INTEGER, RESOURCE_R},
    {UPTIME_S, VALUE_INTEGER, RESOURCE_R},
    {INFERENCES, VALUE_INTEGER, RESOURCE_R},
};

static struct value text(uint16_t resource, const struct device_info *device)
{
    switch (resource) {
    case REPORT:
        return (struct value){.type = VALUE_STRING,
                              .data = (const uint8_t *)update_report_json(),
                              .length = update_report_length()};
    case MODEL_SHA256:
        return value_string(device->model_sha256);
    case BOARD:
        return value_string(device->board);
    case ABI:
        return value_string(device->abi);
    case MODEL_SOURCE:
        return value_string(device->model_source);
    default:
        return value_string(device->reset_reason);
    }
}

static uint32_t measured(uint16_t resource, const struct device_info *device)
{
    switch (resource) {
    case INSTRUCTIONS:
        return device->instructions;
    case ARENA_BYTES:
        return device->arena_bytes;
    case LONGEST_GAP_TICKS:
        return device->longest_gap_ticks;
    case INFERENCE_TICKS:
        return device->inference_ticks;
    case FREE_STACK:
        return device->free_stack;
    case UPTIME_S:
        return device->uptime_s;
    default:
        return device->inferences;
    }
}

static bool read(uint16_t instance, uint16_t resource, uint32_t index, struct value *value)
{
    (void)instance;
    const struct device_info *device = &snapshot_last()->device;
    *value = resources[resource].type == VALUE_STRING ? text(resource, device)
                                                      : value_integer(measured(resource, device));
    return index == 0;
}

const struct object object_board = {
    .id = 26241,
    .instances = 1,
    .resources = resources,
    .resource_count = sizeof resources / sizeof resources[0],
    .read = read,
};
