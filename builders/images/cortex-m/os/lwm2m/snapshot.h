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

/* Take a new one: before a request is answered, observers are looked at, or telemetry is sent. */
void snapshot_take(void);

const struct snapshot *snapshot_last(void);

#endif
