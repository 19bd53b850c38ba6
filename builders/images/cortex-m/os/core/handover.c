/* The words are at BOARD_HANDOVER, where no linker script puts anything. */
#include "core/handover.h"

#include "core/handover_port.h"

#define MAGIC 0x484C4D54u /* "TMLH" */

static uint32_t check_of(const struct handover *words)
{
    return ~(words->magic ^ words->reason ^ words->slot ^ words->last_reason ^ words->fault_pc ^ words->fault_cfsr ^
             words->starts);
}

enum reset_reason handover_take(struct handover *found)
{
    *found = *handover_words();
    if (found->magic != MAGIC || found->check != check_of(found) || found->reason >= RESET_REASONS) {
        *found = (struct handover){.magic = MAGIC, .reason = RESET_POWER};
    }
    return (enum reset_reason)found->reason;
}

void handover_start(uint32_t slot, enum reset_reason why, uint32_t starts)
{
    struct handover *words = handover_words();
    *words = (struct handover){
        .magic = MAGIC, .reason = RESET_WATCHDOG, .slot = slot, .last_reason = (uint32_t)why, .starts = starts};
    words->check = check_of(words);
}

void handover_announce(enum reset_reason reason, uint32_t pc, uint32_t cfsr)
{
    struct handover *words = handover_words();
    words->reason = (uint32_t)reason;
    words->fault_pc = pc;
    words->fault_cfsr = cfsr;
    words->check = check_of(words);
}

const struct handover *handover_read(void)
{
    return handover_words();
}
