/* Object 5, firmware update (version 1.1): push, pull, cancel, and what came of it. */
#include "lwm2m/download.h"
#include "lwm2m/intake.h"
#include "lwm2m/object.h"
#include "lwm2m/package.h"
#include "lwm2m/refusal.h"

#define PACKAGE 0u
#define PACKAGE_URI 1u
#define UPDATE 2u
#define STATE 3u
#define RESULT 5u
#define PACKAGE_NAME 6u
#define PACKAGE_VERSION 7u
#define PROTOCOLS 8u
#define DELIVERY_METHOD 9u
#define CANCEL 10u

#define STATE_IDLE 0
#define STATE_DOWNLOADING 1
#define STATE_DOWNLOADED 2
#define STATE_UPDATING 3

#define PROTOCOL_COUNT 2u /* CoAP 0, CoAPS 1 */
#define PUSH_AND_PULL 2

static const struct resource resources[] = {
    {PACKAGE, VALUE_OPAQUE, RESOURCE_W},
    {PACKAGE_URI, VALUE_STRING, RESOURCE_R | RESOURCE_W},
    {UPDATE, VALUE_NONE, RESOURCE_E},
    {STATE, VALUE_INTEGER, RESOURCE_R},
    {RESULT, VALUE_INTEGER, RESOURCE_R},
    {PACKAGE_NAME, VALUE_STRING, RESOURCE_R},
    {PACKAGE_VERSION, VALUE_STRING, RESOURCE_R},
    {PROTOCOLS, VALUE_INTEGER, RESOURCE_R | RESOURCE_MULTIPLE},
    {DELIVERY_METHOD, VALUE_INTEGER, RESOURCE_R},
    {CANCEL, VALUE_NONE, RESOURCE_E},
};

static int state(void)
{
    switch (update_state_of(UPDATE_FIRMWARE)) {
    case UPDATE_RECEIVING:
        return STATE_DOWNLOADING;
    case UPDATE_RECEIVED:
        return STATE_DOWNLOADED;
    case UPDATE_INSTALLING:
        return STATE_UPDATING;
    default:
        return STATE_IDLE;
    }
}

static bool read(uint16_t instance, uint16_t resource, uint32_t index, struct value *value)
{
    (void)instance;
    switch (resource) {
    case PACKAGE_URI:
        *value = value_string(update_uri(UPDATE_FIRMWARE));
        break;
    case STATE:
        *value = value_integer(state());
        break;
    case RESULT:
        *value = value_integer(update_result_of(UPDATE_FIRMWARE));
        break;
    case PACKAGE_NAME:
        *value = value_string(update_package_name(UPDATE_FIRMWARE));
        break;
    case PACKAGE_VERSION:
        *value = value_string(update_package_version(UPDATE_FIRMWARE));
        break;
    case PROTOCOLS:
        *value = value_integer(index);
        return index < PROTOCOL_COUNT;
    default:
        *value = value_integer(PUSH_AND_PULL);
    }
    return index == 0;
}

/* Drop the package, from any state but Updating. */
static enum coap_code drop(enum package_failure as)
{
    if (update_state_of(UPDATE_FIRMWARE) == UPDATE_INSTALLING) {
        return refuse(COAP_METHOD_NOT_ALLOWED, "the update is being installed");
    }
    download_stop(UPDATE_FIRMWARE);
    intake_stop(UPDATE_FIRMWARE);
    package_fail(UPDATE_FIRMWARE, as);
    return COAP_CHANGED;
}

static enum coap_code write(uint16_t instance, uint16_t resource, const struct value *value, bool check)
{
    (void)instance;
    if (resource != PACKAGE_URI) {
        return refuse(COAP_METHOD_NOT_ALLOWED, "a package is written alone");
    }
    if (check) {
        bool updating = update_state_of(UPDATE_FIRMWARE) == UPDATE_INSTALLING;
        return value->length > 0 ? package_admit(UPDATE_FIRMWARE) : updating ? COAP_METHOD_NOT_ALLOWED : COAP_CHANGED;
    }
    return value->length > 0 ? download_begin(UPDATE_FIRMWARE, value->data, value->length) : drop(PACKAGE_NO_FAILURE);
}

static enum coap_code execute(uint16_t instance, uint16_t resource, const struct coap_text *arguments)
{
    (void)instance;
    (void)arguments;
    if (resource == CANCEL) {
        return update_state_of(UPDATE_FIRMWARE) == UPDATE_IDLE
                   ? refuse(COAP_METHOD_NOT_ALLOWED, "there is no update to cancel")
                   : drop(PACKAGE_CANCELLED);
    }
    return update_state_of(UPDATE_FIRMWARE) == UPDATE_RECEIVED && update_install(UPDATE_FIRMWARE) == OS_OK
               ? COAP_CHANGED
               : refuse(COAP_METHOD_NOT_ALLOWED, "update needs state Downloaded");
}

const struct object object_firmware = {
    .id = 5,
    .version = "1.1",
    .instances = 1,
    .resources = resources,
    .resource_count = sizeof resources / sizeof resources[0],
    .read = read,
    .write = write,
    .execute = execute,
};
