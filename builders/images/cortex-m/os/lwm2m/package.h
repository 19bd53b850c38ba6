/* Packages of Objects 5 and 9: which target a path means, and what went wrong in the object's own numbers. */
#ifndef LWM2M_PACKAGE_H
#define LWM2M_PACKAGE_H

#include <stdbool.h>

#include "core/status.h"
#include "core/update.h"
#include "lwm2m/tree.h"

enum package_failure {
    PACKAGE_NO_FAILURE,
    PACKAGE_NO_FLASH,
    PACKAGE_CONNECTION_LOST,
    PACKAGE_INTEGRITY,
    PACKAGE_UNSUPPORTED,
    PACKAGE_BAD_URI,
    PACKAGE_BAD_PROTOCOL,
    PACKAGE_CANCELLED,
};

/* Whether a path is /5/0/0 or /9/x/2, and of which target. */
bool package_at(const struct path *path, enum update_target *target);

/* Drop the package and note why, as the target's object numbers it. */
void package_fail(enum update_target target, enum package_failure failure);

/* An update_begin, update_write or update_finish gave this status: drop what is there. Where the update found a verdict
   itself, that one stays. */
void package_give_up(enum update_target target, int status);

/* Whether a package can be received now; else the code to refuse it with. */
enum coap_code package_admit(enum update_target target);

/* The code to answer with when the update refuses. */
enum coap_code package_refusal(enum update_target target, int status);

#endif
