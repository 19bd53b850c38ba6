/* Which firmware is started: a pure function of the boot record, of what is sound, and of why the board was reset. */
#ifndef BOOT_DECIDE_H
#define BOOT_DECIDE_H

#include <stdbool.h>

#include "core/boot_record.h"
#include "core/handover.h"

struct boot_decision {
    uint8_t slot; /* to start, or BOOT_NONE */
    bool changed; /* the record must be stored before the jump */
    struct boot_record record;
};

/* The slot whose soundness decides first; the other one matters only when it is not sound. */
uint8_t boot_first_choice(const struct boot_record *record);

struct boot_decision boot_decide(const struct boot_record *record, bool a_sound, bool b_sound,
                                 enum reset_reason reason);

#endif
