/* Packages: targets and their failures. */
#include "lwm2m/package.h"

#include "lwm2m/refusal.h"

#define FIRMWARE_OBJECT 5u
#define FIRMWARE_PACKAGE 0u
#define SOFTWARE_OBJECT 9u
#define SOFTWARE_PACKAGE 2u

/* Resources 5/0/5 and 9/x/9 have numbers of their own; Object 9 has none for a protocol and none for a cancel. */
static const uint8_t results[][2] = {
    [PACKAGE_NO_FAILURE] = {0, 0},
    [PACKAGE_NO_FLASH] = {2, 50},
    [PACKAGE_CONNECTION_LOST] = {4, 52},
    [PACKAGE_INTEGRITY] = {5, 53},
    [PACKAGE_UNSUPPORTED] = {6, 54},
    [PACKAGE_BAD_URI] = {7, 56},
    [PACKAGE_BAD_PROTOCOL] = {9, 56},
    [PACKAGE_CANCELLED] = {10, 0},
};

bool package_at(const struct path *path, enum update_target *target)
{
    if (path->level != 3) {
        return false;
    }
    if (path->ids[0] == FIRMWARE_OBJECT && path->ids[1] == 0 && path->ids[2] == FIRMWARE_PACKAGE) {
        *target = UPDATE_FIRMWARE;
        return true;
    }
    if (path->ids[0] == SOFTWARE_OBJECT && path->ids[1] < object_software.instances &&
        path->ids[2] == SOFTWARE_PACKAGE) {
        *target = path->ids[1] == 0 ? UPDATE_MODEL_A : UPDATE_MODEL_B;
        return true;
    }
    return false;
}

void package_fail(enum update_target target, enum package_failure failure)
{
    (void)update_set_uri(target, "", 0);
    (void)update_abort(target, results[failure][target == UPDATE_FIRMWARE ? 0 : 1]);
}

void package_give_up(enum update_target target, int status)
{
    if (update_state_of(target) == UPDATE_RECEIVING) {
        package_fail(target, status == OS_TOO_LARGE ? PACKAGE_NO_FLASH
                             : status == OS_DAMAGED ? PACKAGE_INTEGRITY
                                                    : PACKAGE_UNSUPPORTED);
    }
    (void)update_set_uri(target, "", 0);
}

enum coap_code package_admit(enum update_target target)
{
    enum update_state state = update_state_of(target);
    if (target == UPDATE_FIRMWARE) {
        return state == UPDATE_IDLE         ? COAP_CHANGED
               : state == UPDATE_INSTALLING ? refuse(COAP_METHOD_NOT_ALLOWED, "the update is being installed")
                                            : refuse(COAP_BAD_REQUEST, "there is a package: reset or cancel it first");
    }
    if (update_active(target)) {
        return refuse(COAP_METHOD_NOT_ALLOWED, "this slot's model runs: deactivate it, or use the other slot");
    }
    return state == UPDATE_IDLE || state == UPDATE_INSTALLED
               ? COAP_CHANGED
               : refuse(COAP_METHOD_NOT_ALLOWED, "there is a package in this slot: uninstall it first");
}

enum coap_code package_refusal(enum update_target target, int status)
{
    switch (status) {
    case OS_TOO_LARGE:
        return refuse(COAP_TOO_LARGE, "the package is larger than the slot");
    case OS_STATE:
        return refuse(target == UPDATE_FIRMWARE ? COAP_BAD_REQUEST : COAP_METHOD_NOT_ALLOWED,
                      "the update's state does not allow it");
    case OS_IO:
        return refuse(COAP_INTERNAL_ERROR, "the flash cannot be written");
    default:
        return refuse(COAP_BAD_REQUEST, "the package is refused: the result and the report say why");
    }
}
