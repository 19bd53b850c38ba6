/* Verifies no more images than the choice needs. */
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

uint8_t boot_choose(const struct provisioning *page, const struct handover *before, struct image *chosen)
{
    struct boot_record record;
    boot_record_load(&record);
    struct image images[BOOT_SLOTS];
    bool good[BOOT_SLOTS] = {false, false};
    uint8_t first = boot_first_choice(&record);
    good[first] = sound(page, first, record.security_counter, &images[first]);
    if (!good[first]) {
        good[first ^ 1u] = sound(page, first ^ 1u, record.security_counter, &images[first ^ 1u]);
    }
    struct boot_decision decision = boot_decide(&record, good[0], good[1], (enum reset_reason)before->reason);
    if (decision.changed) {
        decision.record.fault_pc = before->fault_pc;
        if (boot_record_store(&decision.record) != OS_OK) {
            return BOOT_NONE;
        }
    }
    if (decision.slot != BOOT_NONE) {
        *chosen = images[decision.slot];
    }
    return decision.slot;
}
