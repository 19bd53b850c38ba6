/* Object 9, software management: instance 0 is model slot A, instance 1 model slot B. */
#include "lwm2m/download.h"
#include "lwm2m/intake.h"
#include "lwm2m/object.h"
#include "lwm2m/package.h"
#include "lwm2m/refusal.h"

#define PACKAGE_NAME 0u
#define PACKAGE_VERSION 1u
#define PACKAGE 2u
#define PACKAGE_URI 3u
#define INSTALL 4u
#define UNINSTALL 6u
#define STATE 7u
#define RESULT 9u
#define ACTIVATE 10u
#define DEACTIVATE 11u
#define ACTIVATION_STATE 12u

#define STATE_INITIAL 0
#define STATE_DOWNLOAD_STARTED 1
#define STATE_DOWNLOADED 2
#define STATE_DELIVERED 3
#define STATE_INSTALLED 4

static const struct resource resources[] = {
    {PACKAGE_NAME, VALUE_STRING, RESOURCE_R},
    {PACKAGE_VERSION, VALUE_STRING, RESOURCE_R},
    {PACKAGE, VALUE_OPAQUE, RESOURCE_W},
    {PACKAGE_URI, VALUE_STRING, RESOURCE_W},
    {INSTALL, VALUE_NONE, RESOURCE_E},
    {UNINSTALL, VALUE_NONE, RESOURCE_E},
    {STATE, VALUE_INTEGER, RESOURCE_R},
    {RESULT, VALUE_INTEGER, RESOURCE_R},
    {ACTIVATE, VALUE_NONE, RESOURCE_E},
    {DEACTIVATE, VALUE_NONE, RESOURCE_E},
    {ACTIVATION_STATE, VALUE_BOOLEAN, RESOURCE_R},
};

static enum update_target target_of(uint16_t instance)
{
    return instance == 0 ? UPDATE_MODEL_A : UPDATE_MODEL_B;
}

static int state(enum update_target target)
{
    switch (update_state_of(target)) {
    case UPDATE_RECEIVING:
        return update_verifying(target) ? STATE_DOWNLOADED : STATE_DOWNLOAD_STARTED;
    case UPDATE_RECEIVED:
    case UPDATE_INSTALLING:
        return STATE_DELIVERED;
    case UPDATE_INSTALLED:
        return STATE_INSTALLED;
    default:
        return STATE_INITIAL;
    }
}

static bool read(uint16_t instance, uint16_t resource, uint32_t index, struct value *value)
{
    enum update_target target = target_of(instance);
    switch (resource) {
    case PACKAGE_NAME:
        *value = value_string(update_package_name(target));
        break;
    case PACKAGE_VERSION:
        *value = value_string(update_package_version(target));
        break;
    case STATE:
        *value = value_integer(state(target));
        break;
    case RESULT:
        *value = value_integer(update_result_of(target));
        break;
    default:
        *value = value_boolean(update_active(target));
    }
    return index == 0;
}

static enum coap_code write(uint16_t instance, uint16_t resource, const struct value *value, bool check)
{
    if (resource != PACKAGE_URI) {
        return refuse(COAP_METHOD_NOT_ALLOWED, "a package is written alone");
    }
    if (value->length == 0) {
        return refuse(COAP_BAD_REQUEST, "an empty package URI: uninstall drops a package");
    }
    return check ? package_admit(target_of(instance))
                 : download_begin(target_of(instance), value->data, value->length);
}

static bool is(const struct coap_text *text, const char *expected)
{
    uint32_t index = 0;
    while (index < text->length && expected[index] != '\0' && text->data[index] == (uint8_t)expected[index]) {
        index++;
    }
    return index == text->length && expected[index] == '\0';
}

/* No argument or 0 removes, 1 makes room for an update: here the same. As a bare digit or a list (section 5.4.5). */
static bool is_uninstall_argument(const struct coap_text *text)
{
    return is(text, "") || is(text, "0") || is(text, "1") || is(text, "0=0") || is(text, "0=1") ||
           is(text, "0='0'") || is(text, "0='1'");
}

static enum coap_code uninstall(enum update_target target, const struct coap_text *arguments)
{
    enum update_state now = update_state_of(target);
    if (!is_uninstall_argument(arguments)) {
        return refuse(COAP_BAD_REQUEST, "uninstall takes no argument, 0 (remove) or 1 (make room for an update)");
    }
    if (update_active(target)) {
        return refuse(COAP_METHOD_NOT_ALLOWED, "this slot's model runs: deactivate it first");
    }
    if (now == UPDATE_IDLE || now == UPDATE_INSTALLING) {
        return refuse(COAP_METHOD_NOT_ALLOWED, now == UPDATE_IDLE ? "nothing is installed" : "it is being installed");
    }
    if (now == UPDATE_RECEIVING || now == UPDATE_RECEIVED) {
        download_stop(target);
        intake_stop(target);
        package_fail(target, PACKAGE_NO_FAILURE);
        return COAP_CHANGED;
    }
    return update_uninstall(target) == OS_OK ? COAP_CHANGED : COAP_METHOD_NOT_ALLOWED;
}

static enum coap_code execute(uint16_t instance, uint16_t resource, const struct coap_text *arguments)
{
    enum update_target target = target_of(instance);
    if (resource == UNINSTALL) {
        return uninstall(target, arguments);
    }
    if (resource == INSTALL) {
        return update_state_of(target) == UPDATE_RECEIVED && update_install(target) == OS_OK
                   ? COAP_CHANGED
                   : refuse(COAP_METHOD_NOT_ALLOWED, "install needs state Delivered");
    }
    int status = update_state_of(target) != UPDATE_INSTALLED ? OS_STATE
                 : resource == ACTIVATE                      ? update_activate(target)
                                                             : update_deactivate(target);
    return status == OS_OK ? COAP_CHANGED : refuse(COAP_METHOD_NOT_ALLOWED, "only what is installed is activated");
}

const struct object object_software = {
    .id = 9,
    .instances = 2,
    .resources = resources,
    .resource_count = sizeof resources / sizeof resources[0],
    .read = read,
    .write = write,
    .execute = execute,
};
