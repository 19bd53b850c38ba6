/* The simulated board: flash and handover in memory that outlives the process of one life, power that can be cut. */
#ifndef HOST_H
#define HOST_H

#include <stdbool.h>
#include <stdint.h>

#include "core/handover.h"
#include "core/image.h"

#define FIRST_STATE 0xA5u /* of a simulated model; it counts inferences */

/* How the process of a life ends. */
enum life {
    LIFE_DONE = 0,
    LIFE_RESET = 10,
    LIFE_WATCHDOG = 11,
    LIFE_CUT = 12,
    LIFE_HALTED = 13,
};

struct shared {
    struct handover handover;
    uint64_t operations; /* of the flash, over all lives */
    uint64_t cut_at;     /* the operation at which power is lost; 0: never */
    uint64_t seed;       /* of how far a torn operation got */
    uint32_t touched;    /* how many of `sectors` are valid */
    uint32_t sectors[4096];
};

extern struct shared *host_shared;
extern uint8_t *host_flash;

extern bool host_worn; /* the boot record's sectors take no more bytes */

void host_start_firmware(const struct image *image);

#endif
