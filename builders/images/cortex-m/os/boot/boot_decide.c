/* A pending firmware is started once. Unless it confirms itself, the next reset gives it up, whatever its cause. */
#include "boot/boot_decide.h"

static enum boot_reason reason_of(enum reset_reason reset)
{
    switch (reset) {
    case RESET_WATCHDOG:
        return BOOT_REASON_WATCHDOG;
    case RESET_FAULT:
        return BOOT_REASON_FAULT;
    case RESET_SOFTWARE:
        return BOOT_REASON_RESTARTED;
    default:
        return BOOT_REASON_POWER;
    }
}

uint8_t boot_first_choice(const struct boot_record *record)
{
    return record->pending < BOOT_SLOTS && record->attempts == 0 ? record->pending : record->active;
}

static void give_up(struct boot_decision *decision, enum boot_reason reason)
{
    struct boot_record *record = &decision->record;
    record->state[record->pending] = BOOT_BAD;
    record->reason = (uint8_t)reason;
    record->pending = BOOT_NONE;
    record->attempts = 0;
    decision->changed = true;
}

struct boot_decision boot_decide(const struct boot_record *record, bool a_sound, bool b_sound,
                                 enum reset_reason reason)
{
    const bool sound[BOOT_SLOTS] = {a_sound, b_sound};
    struct boot_decision decision = {.slot = BOOT_NONE, .changed = false, .record = *record};
    struct boot_record *next = &decision.record;
    if (next->pending < BOOT_SLOTS) {
        if (next->attempts != 0) {
            give_up(&decision, reason_of(reason));
        } else if (!sound[next->pending]) {
            give_up(&decision, BOOT_REASON_DAMAGED);
        } else {
            next->attempts = 1;
            next->state[next->pending] = BOOT_TESTING;
            decision.changed = true;
            decision.slot = next->pending;
            return decision;
        }
    }
    if (sound[next->active]) {
        decision.slot = next->active;
        return decision;
    }
    uint8_t other = next->active ^ 1u;
    if (sound[other] && next->state[other] == BOOT_CONFIRMED) {
        next->state[next->active] = BOOT_BAD;
        next->reason = BOOT_REASON_FELL_BACK;
        next->active = other;
        decision.slot = other;
        decision.changed = true;
    }
    return decision;
}
