/* Confirmed is what has reproduced its golden vectors and registered at its server; the counter rises only then. */
#include "core/trial.h"

#include <stddef.h>

#include "core/boot_record.h"
#include "core/clock.h"
#include "core/flash.h"
#include "core/text.h"
#include "core/update_report.h"
#include "core/update_result.h"
#include "core/update_start.h"

#define MILLISECONDS 1000u

static bool registered, failed;

void os_confirm_registered(void)
{
    registered = true;
}

int trial_empty_slot(void)
{
    struct boot_record boot;
    boot_record_load(&boot);
    uint8_t spare = os_system.slot ^ 1u;
    if (boot.state[spare] == BOOT_EMPTY) {
        return OS_OK;
    }
    boot.state[spare] = BOOT_EMPTY;
    return boot_record_store(&boot);
}

int trial_begin(uint8_t slot)
{
    struct boot_record boot;
    boot_record_load(&boot);
    boot.pending = slot;
    boot.attempts = 0;
    boot.model[slot] = BOOT_BUILT_IN;
    int status = boot_record_store(&boot);
    if (status == OS_OK) {
        os_request_reset();
    }
    return status;
}

static void give_up(enum boot_reason reason, uint32_t vector, uint32_t byte)
{
    struct boot_record boot;
    boot_record_load(&boot);
    boot.state[os_system.slot] = BOOT_BAD;
    boot.pending = BOOT_NONE;
    boot.attempts = 0;
    boot.reason = (uint8_t)reason;
    boot.vector = vector;
    boot.byte = byte;
    failed = true;
    (void)boot_record_store(&boot); /* not stored, the reset gives the firmware up all the same */
    os_request_reset();
}

void trial_fail_golden(void)
{
    give_up(BOOT_REASON_GOLDEN, os_system.proof.vector, os_system.proof.byte);
}

static void report_success(struct target *firmware)
{
    update_report_store(&(struct update_outcome){.verdict = "passed",
                                                 .reason = "every golden vector came out as promised",
                                                 .result = FIRMWARE_SUCCESS,
                                                 .image = &os_system.image,
                                                 .proof = &os_system.proof,
                                                 .instructions = clock_instructions(os_system.proof.ticks)});
    firmware->record.stored = 0;
    firmware->record.etag_length = 0;
    update_store(UPDATE_FIRMWARE, UPDATE_IDLE, FIRMWARE_SUCCESS);
}

static void explain(const struct boot_record *boot, struct text *text, const char **verdict)
{
    static const char *const sentences[] = {
        [BOOT_REASON_NONE] = "the firmware was not started",
        [BOOT_REASON_WATCHDOG] = "the watchdog reset it",
        [BOOT_REASON_FAULT] = "it stopped with a fault",
        [BOOT_REASON_POWER] = "power was lost before it was confirmed",
        [BOOT_REASON_RESTARTED] = "it restarted before it was confirmed",
        [BOOT_REASON_GOLDEN] = "golden vector ",
        [BOOT_REASON_UNREGISTERED] = "it did not register in time",
        [BOOT_REASON_DAMAGED] = "its hash, signature or counter was wrong when it was to be started",
        [BOOT_REASON_FELL_BACK] = "it was confirmed, and is damaged",
        [BOOT_REASON_UNWRITTEN] = "the boot record cannot be written",
    };
    text_add(text, sentences[boot->reason]);
    *verdict = "no-report";
    switch (boot->reason) {
    case BOOT_REASON_GOLDEN:
        text_number(text, boot->vector);
        text_add(text, " differs at byte ");
        text_number(text, boot->byte);
        *verdict = "wrong-output";
        break;
    case BOOT_REASON_WATCHDOG:
    case BOOT_REASON_FAULT:
        text_add(text, " at pc ");
        text_word(text, boot->fault_pc);
        break;
    case BOOT_REASON_POWER:
        *verdict = "interrupted";
        break;
    case BOOT_REASON_UNREGISTERED:
        *verdict = "not-confirmed";
        break;
    default:
        break;
    }
    text_add(text, "; the firmware before it runs again");
}

static void report_failure(struct target *firmware, const struct boot_record *boot)
{
    char sentence[160];
    const char *verdict;
    struct text text = text_into(sentence, sizeof sentence);
    explain(boot, &text, &verdict);
    struct image_demand demand;
    struct image image;
    update_demand(UPDATE_FIRMWARE, &demand);
    enum image_refusal refusal =
        image_read_verified(&image, flash_at(firmware->package.slot), firmware->record.stored, &demand);
    update_report_store(&(struct update_outcome){.verdict = verdict,
                                                 .reason = sentence,
                                                 .result = FIRMWARE_FAILED,
                                                 .image = refusal == IMAGE_ACCEPTED ? &image : NULL});
    firmware->record.stored = 0;
    firmware->record.etag_length = 0;
    update_store(UPDATE_FIRMWARE, UPDATE_IDLE, FIRMWARE_FAILED);
}

/* No update failed, but the firmware of the last one no longer runs. Said once: the reason goes last, so that power lost
 * before that has it said again. */
static void report_fallback(struct target *firmware, struct boot_record *boot)
{
    update_report_store(
        &(struct update_outcome){.verdict = "no-report",
                                 .reason = "the confirmed firmware is damaged; the firmware before it runs again",
                                 .result = FIRMWARE_FAILED});
    if (firmware->record.state == UPDATE_IDLE) {
        update_store(UPDATE_FIRMWARE, UPDATE_IDLE, FIRMWARE_FAILED);
    }
    boot->reason = BOOT_REASON_NONE;
    boot_record_store(boot);
}

void trial_resume(struct target *firmware)
{
    registered = false;
    failed = false;
    struct boot_record boot;
    boot_record_load(&boot);
    if (firmware->record.state != UPDATE_INSTALLING) {
        if (boot.reason == BOOT_REASON_FELL_BACK) {
            report_fallback(firmware, &boot);
        }
        return;
    }
    uint8_t slot = firmware->record.slot;
    if (boot.active == slot) {
        report_success(firmware); /* confirmed, and then reset before that was reported */
    } else if (os_system.on_trial) {
        return;
    } else if (boot.pending == slot) {
        boot.pending = BOOT_NONE; /* the bootloader could not write what it decided, and started this one */
        boot.state[slot] = BOOT_BAD;
        boot.reason = BOOT_REASON_UNWRITTEN;
        (void)boot_record_store(&boot);
        report_failure(firmware, &boot);
    } else if (boot.state[slot] == BOOT_BAD) {
        report_failure(firmware, &boot);
    } else {
        trial_begin(slot); /* reset before the bootloader was told */
    }
}

static void confirm(struct target *firmware)
{
    struct boot_record boot;
    boot_record_load(&boot);
    boot.active = os_system.slot;
    boot.pending = BOOT_NONE;
    boot.attempts = 0;
    boot.reason = BOOT_REASON_NONE;
    boot.state[os_system.slot] = BOOT_CONFIRMED;
    if (os_system.image.security_counter > boot.security_counter) {
        boot.security_counter = os_system.image.security_counter;
    }
    if (boot_record_store(&boot) == OS_OK) {
        os_system.on_trial = false;
        report_success(firmware);
    }
}

void trial_poll(struct target *firmware)
{
    if (!os_system.on_trial || failed) {
        return;
    }
    if (registered) {
        confirm(firmware);
    } else if (clock_ms() / MILLISECONDS >= os_system.page.confirm_s) {
        give_up(BOOT_REASON_UNREGISTERED, 0, 0);
    }
}
