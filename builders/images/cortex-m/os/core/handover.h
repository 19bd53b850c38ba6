/* Words in RAM that survive a reset: why it happened, and what the bootloader tells the firmware that it starts. */
#ifndef CORE_HANDOVER_H
#define CORE_HANDOVER_H

#include <stdint.h>

enum reset_reason { RESET_POWER, RESET_WATCHDOG, RESET_FAULT, RESET_SOFTWARE, RESET_REASONS };

struct handover {
    uint32_t magic;
    uint32_t reason; /* enum reset_reason: what the next reset will have been for */
    uint32_t slot;   /* firmware slot that was started */
    uint32_t last_reason; /* enum reset_reason: why the running firmware was started */
    uint32_t fault_pc, fault_cfsr;
    uint32_t starts; /* since power came */
    uint32_t check;  /* makes what power-on leaves in RAM improbable */
};

/* After a reset, by the bootloader: what the words say; they then stand for a reset by the watchdog, the only one that
 * nobody announces. */
enum reset_reason handover_take(struct handover *found);
void handover_start(uint32_t slot, enum reset_reason why, uint32_t starts);

/* By whoever is about to reset the board. */
void handover_announce(enum reset_reason reason, uint32_t pc, uint32_t cfsr);

/* By the firmware: what it was started with. */
const struct handover *handover_read(void);

#endif
