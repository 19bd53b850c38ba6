/* What bootloader and OS tell each other over resets: which firmware runs, which is to be tried, what came of it. */
#ifndef CORE_BOOT_RECORD_H
#define CORE_BOOT_RECORD_H

#include <stdint.h>

#include "core/status.h"

#define BOOT_SLOTS 2u
#define BOOT_NONE 0xFFu

enum boot_slot_state { BOOT_EMPTY, BOOT_CONFIRMED, BOOT_TESTING, BOOT_BAD };
enum boot_model { BOOT_BUILT_IN, BOOT_MODEL_A, BOOT_MODEL_B };

/* Why a firmware was given up. */
enum boot_reason {
    BOOT_REASON_NONE,
    BOOT_REASON_WATCHDOG,
    BOOT_REASON_FAULT,
    BOOT_REASON_POWER,      /* lost before it was confirmed */
    BOOT_REASON_RESTARTED,  /* by itself, before it was confirmed */
    BOOT_REASON_GOLDEN,     /* a golden vector came out wrong */
    BOOT_REASON_UNREGISTERED, /* it did not find its server in time */
    BOOT_REASON_DAMAGED,    /* refused when it was to be started: hash, signature or counter */
    BOOT_REASON_FELL_BACK,  /* the same, of a confirmed firmware: the other one that was confirmed is active again */
    BOOT_REASON_UNWRITTEN,  /* the bootloader could not write the record */
};

struct boot_record {
    uint8_t active;  /* the firmware slot that is confirmed */
    uint8_t pending; /* the slot to be tried, or BOOT_NONE */
    uint8_t attempts; /* of starting `pending`, counted before the jump */
    uint8_t reason;  /* enum boot_reason, of the last firmware that was given up */
    uint8_t state[BOOT_SLOTS]; /* enum boot_slot_state */
    uint8_t model[BOOT_SLOTS]; /* enum boot_model: what each firmware runs */
    uint32_t security_counter; /* of the confirmed firmware, or higher: nothing older is started or taken */
    uint32_t vector, byte;     /* of BOOT_REASON_GOLDEN: the first difference */
    uint32_t fault_pc;         /* of BOOT_REASON_FAULT and BOOT_REASON_WATCHDOG, when it is known */
};

/* The stored record, or else that of a board fresh from manufacture: firmware A confirmed. OS_NOT_FOUND where the board
 * may be one, OS_DAMAGED where there was a record that can no longer be read. */
enum os_status boot_record_load(struct boot_record *record);

enum os_status boot_record_store(const struct boot_record *record);

#endif
