/* What the device says about itself, held still while it is rendered: a text is rendered twice, and inference goes on. */
#ifndef LWM2M_SNAPSHOT_H
#define LWM2M_SNAPSHOT_H

#include <stdbool.h>

#include "core/device.h"
#include "core/inference.h"

struct snapshot {
    struct device_info device;
    bool has_result;
    struct inference_result result;
};

/* A text of several blocks is rendered anew for each, and must be the same: requests have a snapshot of their own. */
enum snapshot_user { SNAPSHOT_REQUEST, SNAPSHOT_REPORT, SNAPSHOT_USERS };

/* What is rendered from now on shows the device as it is, or with `again` as this user saw it last, unless another
   model runs by now. */
void snapshot_take(enum snapshot_user user, bool again);

/* Requests for further blocks show what the report showed: those of a notification that was longer than one. */
void snapshot_hand_over(void);

const struct snapshot *snapshot_last(void);

#endif
