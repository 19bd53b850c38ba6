/* What the running firmware is: set once by os_start, read by updates and by what the device says about itself. */
#ifndef CORE_SYSTEM_H
#define CORE_SYSTEM_H

#include <stdbool.h>

#include "core/boot_record.h"
#include "core/handover.h"
#include "core/image.h"
#include "core/model.h"
#include "core/proof.h"
#include "core/provisioning.h"

struct system {
    struct provisioning page;
    uint8_t slot; /* of the running firmware */
    bool on_trial;
    enum reset_reason reset;
    struct image image;     /* the running firmware's */
    char version[IMAGE_VERSION_BYTES];
    struct model built_in;
    struct proof proof;     /* of the built-in model, at the start */
    uint8_t abi[MODEL_IMAGE_ABI_BYTES];
};

extern struct system os_system;

#endif
