/* The last look at the device and its inference. */
#include "lwm2m/snapshot.h"

#include "core/status.h"

static struct snapshot last;

void snapshot_take(void)
{
    last.device = *device_info();
    last.has_result = inference_result(&last.result) == OS_OK;
}

const struct snapshot *snapshot_last(void)
{
    return &last;
}
