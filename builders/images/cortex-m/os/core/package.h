/* A package on its way into its slot: written in order, full sectors marked, so that a reset loses little. */
#ifndef CORE_PACKAGE_H
#define CORE_PACKAGE_H

#include <stdint.h>

#include "core/flash_map.h"
#include "core/status.h"

struct package {
    uint32_t slot, limit; /* offset in flash, and size */
    uint32_t marks;       /* offset in flash of this slot's marks */
    uint32_t received;    /* bytes */
    uint32_t filled;      /* of `granule` */
    uint8_t granule[FLASH_GRANULE];
};

/* Forget what was received: the slot's marks are erased. */
enum os_status package_clear(struct package *package);

/* After a reset: as many bytes as there are marked sectors. */
void package_recover(struct package *package);

/* The next bytes; OS_TOO_LARGE past the slot's end. */
enum os_status package_write(struct package *package, const uint8_t *data, uint32_t length);

/* Writes the last, incomplete granule. */
enum os_status package_end(struct package *package);

#endif
