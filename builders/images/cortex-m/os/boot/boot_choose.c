/* Verifies no more images than the choice needs: the confirmed one always, for its counter is a floor for the other. */
#include "boot/boot_choose.h"

#include "board.h"
#include "boot/boot_decide.h"
#include "console.h"
#include "core/flash.h"

static bool sound(const struct provisioning *page, uint32_t slot, uint32_t counter, struct image *image)
{
    const struct image_demand demand = {
        .kind = IMAGE_FIRMWARE, .board = BOARD_NAME, .signing_key = page->signing_key, .security_counter = counter};
    uint32_t offset = slot == 0 ? FLASH_FIRMWARE_A : FLASH_FIRMWARE_B;
    enum image_refusal refusal = image_verify(image, flash_at(offset), FLASH_FIRMWARE_BYTES, &demand);
    if (refusal != IMAGE_ACCEPTED) {
        console_text("boot: firmware ");
        console_text(slot == 0 ? "a" : "b");
        console_text(" refused: ");
        console_text(image_refusal_word(refusal));
        console_text("\n");
    }
    return refusal == IMAGE_ACCEPTED;
}

/* What the record is when none can be read: the firmware with the highest counter is the confirmed one, and nothing older
 * than it is started or taken. */
static struct boot_record recovered(const struct provisioning *page)
{
    struct boot_record record = {.pending = BOOT_NONE, .state = {BOOT_EMPTY, BOOT_EMPTY}};
    struct image images[BOOT_SLOTS];
    bool good[BOOT_SLOTS];
    for (uint32_t slot = 0; slot < BOOT_SLOTS; slot++) {
        good[slot] = sound(page, slot, 0, &images[slot]);
    }
    record.active = good[1] && (!good[0] || images[1].security_counter > images[0].security_counter);
    record.state[record.active] = BOOT_CONFIRMED;
    record.security_counter = good[record.active] ? images[record.active].security_counter : 0;
    return record;
}

uint8_t boot_choose(const struct provisioning *page, const struct handover *before, struct image *chosen)
{
    struct boot_record record;
    bool damaged = boot_record_load(&record) == OS_DAMAGED;
    if (damaged) {
        console_text("boot: no boot record can be read\n");
        record = recovered(page);
    }
    struct image images[BOOT_SLOTS];
    bool good[BOOT_SLOTS] = {false, false};
    uint8_t active = record.active, other = active ^ 1u;
    good[active] = sound(page, active, record.security_counter, &images[active]);
    /* A board fresh from manufacture has had no confirmation that raised the record's counter. */
    bool raised = good[active] && images[active].security_counter > record.security_counter;
    if (raised) {
        record.security_counter = images[active].security_counter;
    }
    if (!good[active] || boot_first_choice(&record) == other) {
        good[other] = sound(page, other, record.security_counter, &images[other]);
    }
    struct boot_decision decision = boot_decide(&record, good[0], good[1], (enum reset_reason)before->reason);
    if (decision.changed) {
        decision.record.fault_pc = before->fault_pc;
    }
    bool stored = !(decision.changed || raised || damaged) || boot_record_store(&decision.record) == OS_OK;
    if (!stored) {
        console_text("boot: the boot record cannot be written\n");
        if (decision.slot != BOOT_NONE && decision.slot == decision.record.pending) {
            decision.slot = good[active] ? active : BOOT_NONE; /* a trial that is not counted would be one for ever */
        } /* anything else is decided the same way at the next start */
    }
    if (decision.slot != BOOT_NONE) {
        *chosen = images[decision.slot];
    }
    return decision.slot;
}
