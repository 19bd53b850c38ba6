/* Object 1, the LwM2M server as this device knows it (version 1.1). */
#include "lwm2m/object.h"
#include "lwm2m/refusal.h"
#include "lwm2m/registration.h"
#include "lwm2m/telemetry.h"

#define SHORT_ID 0u
#define LIFETIME 1u
#define NOTIFICATION_STORING 6u
#define BINDING 7u
#define UPDATE_TRIGGER 8u
#define MUTE_SEND 23u

static const struct resource resources[] = {
    {SHORT_ID, VALUE_INTEGER, RESOURCE_R},
    {LIFETIME, VALUE_INTEGER, RESOURCE_R | RESOURCE_W},
    {NOTIFICATION_STORING, VALUE_BOOLEAN, RESOURCE_R},
    {BINDING, VALUE_STRING, RESOURCE_R},
    {UPDATE_TRIGGER, VALUE_NONE, RESOURCE_E},
    {MUTE_SEND, VALUE_BOOLEAN, RESOURCE_R | RESOURCE_W},
};

static bool read(uint16_t instance, uint16_t resource, uint32_t index, struct value *value)
{
    (void)instance;
    switch (resource) {
    case SHORT_ID:
        *value = value_integer(1);
        break;
    case LIFETIME:
        *value = value_integer(registration_lifetime());
        break;
    case NOTIFICATION_STORING:
        *value = value_boolean(false);
        break;
    case BINDING:
        *value = value_string("U");
        break;
    default:
        *value = value_boolean(telemetry_muted());
    }
    return index == 0;
}

static enum coap_code write(uint16_t instance, uint16_t resource, const struct value *value, bool check)
{
    (void)instance;
    if (resource == LIFETIME &&
        (value->integer < REGISTRATION_MIN_LIFETIME || value->integer > REGISTRATION_MAX_LIFETIME)) {
        return refuse(COAP_BAD_REQUEST, "the lifetime is 3 to 604800 seconds");
    }
    if (!check && resource == LIFETIME) {
        registration_set_lifetime((uint32_t)value->integer);
    } else if (!check) {
        telemetry_mute(value->integer != 0);
    }
    return COAP_CHANGED;
}

static enum coap_code execute(uint16_t instance, uint16_t resource, const struct coap_text *arguments)
{
    (void)instance;
    (void)resource;
    (void)arguments;
    registration_update_now();
    return COAP_CHANGED;
}

const struct object object_server = {
    .id = 1,
    .version = "1.1",
    .instances = 1,
    .resources = resources,
    .resource_count = sizeof resources / sizeof resources[0],
    .read = read,
    .write = write,
    .execute = execute,
};
