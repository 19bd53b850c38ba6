/* The last look at the device and its inference. */
#include "lwm2m/snapshot.h"

#include "core/status.h"

static struct snapshot snapshots[SNAPSHOT_USERS];
static enum snapshot_user last;

void snapshot_take(enum snapshot_user user, bool again)
{
    const struct device_info *now = device_info();
    last = user;
    /* Its texts lie where the model does that ran: with another one, they may be gone. */
    if (!again || snapshots[user].device.model_version != now->model_version) {
        snapshots[user].device = *now;
        snapshots[user].has_result = inference_result(&snapshots[user].result) == OS_OK;
    }
}

void snapshot_hand_over(void)
{
    snapshots[SNAPSHOT_REQUEST] = snapshots[SNAPSHOT_REPORT];
}

const struct snapshot *snapshot_last(void)
{
    return &snapshots[last];
}
