/* The bootloader's choice with all that it reads and writes: the images in flash, and the boot record. */
#ifndef BOOT_CHOOSE_H
#define BOOT_CHOOSE_H

#include "core/handover.h"
#include "core/image.h"

/* The slot to start, its image in `chosen`; BOOT_NONE when no firmware can be started. The record is stored before this
 * returns: a start on trial counts from here. */
uint8_t boot_choose(const struct provisioning *page, const struct handover *before, struct image *chosen);

#endif
