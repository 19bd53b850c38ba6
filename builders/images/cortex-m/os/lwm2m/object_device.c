/* Object 3, the device (version 1.1). */
#include "core/clock.h"
#include "lwm2m/object.h"
#include "lwm2m/registration.h"
#include "lwm2m/snapshot.h"

#define MANUFACTURER 0u
#define MODEL_NUMBER 1u
#define SERIAL_NUMBER 2u
#define FIRMWARE_VERSION 3u
#define REBOOT 4u
#define ERROR_CODE 11u
#define BINDINGS 16u
#define DEVICE_TYPE 17u
#define SOFTWARE_VERSION 19u

static const struct resource resources[] = {
    {MANUFACTURER, VALUE_STRING, RESOURCE_R},
    {MODEL_NUMBER, VALUE_STRING, RESOURCE_R},
    {SERIAL_NUMBER, VALUE_STRING, RESOURCE_R},
    {FIRMWARE_VERSION, VALUE_STRING, RESOURCE_R},
    {REBOOT, VALUE_NONE, RESOURCE_E},
    {ERROR_CODE, VALUE_INTEGER, RESOURCE_R | RESOURCE_MULTIPLE},
    {BINDINGS, VALUE_STRING, RESOURCE_R},
    {DEVICE_TYPE, VALUE_STRING, RESOURCE_R},
    {SOFTWARE_VERSION, VALUE_STRING, RESOURCE_R},
};

static bool read(uint16_t instance, uint16_t resource, uint32_t index, struct value *value)
{
    (void)instance;
    const struct device_info *device = &snapshot_last()->device;
    switch (resource) {
    case MANUFACTURER:
        *value = value_string("TinyMLaaS");
        break;
    case MODEL_NUMBER:
        *value = value_string(device->board);
        break;
    case SERIAL_NUMBER:
        *value = value_string(registration_endpoint());
        break;
    case FIRMWARE_VERSION:
        *value = value_string(device->firmware_version);
        break;
    case ERROR_CODE:
        *value = value_integer(0); /* no error; what ended the last run is in /26241/0/7 */
        break;
    case BINDINGS:
        *value = value_string("U");
        break;
    case DEVICE_TYPE:
        *value = value_string("device OS");
        break;
    default:
        *value = value_string(device->model_version);
    }
    return index == 0;
}

static enum coap_code execute(uint16_t instance, uint16_t resource, const struct coap_text *arguments)
{
    (void)instance;
    (void)resource;
    (void)arguments;
    os_request_reset(); /* in a moment: the answer gets out first */
    return COAP_CHANGED;
}

const struct object object_device = {
    .id = 3,
    .version = "1.1",
    .instances = 1,
    .resources = resources,
    .resource_count = sizeof resources / sizeof resources[0],
    .read = read,
    .execute = execute,
};
