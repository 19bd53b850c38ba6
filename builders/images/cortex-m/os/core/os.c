/* Starts the parts in their order and turns the loop. */
#include "core/os.h"

#include <stddef.h>

#include "board.h"
#include "console.h"
#include "core/built_in.h"
#include "core/bytes.h"
#include "core/clock.h"
#include "core/flash.h"
#include "core/inference.h"
#include "core/network.h"
#include "core/system.h"
#include "core/system_port.h"
#include "core/training.h"
#include "core/trial.h"
#include "core/update_model.h"
#include "core/update_start.h"
#include "core/watchdog.h"
#include "report.h"
#include "stack.h"

#define NETWORK_RETRY_MS 30000u
#define RESET_DELAY_MS 500u /* the answer to whoever asked for it goes out first */

struct system os_system;

static bool reset_requested;
static uint32_t reset_requested_ms;
static bool network_started;
static uint32_t network_tried_ms;

void os_request_reset(void)
{
    if (!reset_requested) {
        reset_requested = true;
        reset_requested_ms = clock_ms();
    }
}

static void say(const char *what, const char *which)
{
    console_text("os: ");
    console_text(what);
    console_text(which);
    console_text("\n");
}

static void read_identity(void)
{
    const struct handover *handover = handover_read();
    os_system.slot = (uint8_t)(handover->slot % BOOT_SLOTS);
    os_system.reset = (enum reset_reason)(handover->last_reason % RESET_REASONS);
    if (provisioning_read(flash_at(FLASH_PROVISIONING), FLASH_SECTOR, &os_system.page) != OS_OK) {
        system_port_halt("the provisioning page is damaged"); /* the bootloader has read it */
    }
    bytes_copy(os_system.abi, built_in_abi(), sizeof os_system.abi);
    struct boot_record boot;
    boot_record_load(&boot);
    os_system.on_trial = boot.pending == os_system.slot;
    const struct image_demand demand = {.kind = IMAGE_FIRMWARE, .board = BOARD_NAME};
    uint32_t offset = os_system.slot == 0 ? FLASH_FIRMWARE_A : FLASH_FIRMWARE_B;
    const struct model_place place = built_in_place();
    enum image_refusal refusal =
        image_read_verified(&os_system.image, flash_at(offset), FLASH_FIRMWARE_BYTES, &demand);
    if (refusal != IMAGE_ACCEPTED) {
        system_port_halt(image_refusal_word(refusal)); /* the bootloader has verified it; the watchdog ends this */
    }
    image_version_text(&os_system.image.version, os_system.version);
    if (model_read(&place, &os_system.built_in) != OS_OK) {
        system_port_halt("the firmware's own model cannot be read");
    }
}

/* The golden vectors of the firmware's own model, on the UART as they are computed. */
static void prove(void)
{
    const struct model *model = &os_system.built_in;
    report_boot(model->golden_vectors);
    proof_start(&os_system.proof);
    for (bool more = true; more;) {
        uint32_t vector = os_system.proof.next;
        watchdog_feed();
        more = proof_step(&os_system.proof, model, &os_system.image);
        if (os_system.proof.next != vector) {
            report_golden_start(vector, os_system.proof.last_ticks);
            for (uint32_t index = 0; index < model->outputs; index++) {
                report_golden_output(model->output[index], model->output_bytes[index]);
            }
            report_golden_end();
        }
    }
    report_ready(os_system.proof.next, model->arena_bytes, stack_used());
}

static void start_network(void)
{
    network_tried_ms = clock_ms();
    network_started = network_start(&os_system.page) == OS_OK;
}

void os_start(void)
{
    clock_start();
    read_identity();
    prove();
    if (os_system.proof.wrong) {
        say("a golden vector is wrong", os_system.on_trial ? ": the firmware before it comes back" : "");
        if (os_system.on_trial) {
            trial_fail_golden();
            return;
        }
    }
    update_start();
    inference_use(update_model_start());
    inference_start(os_system.page.period_us);
    say("model: ", update_model_source() == BOOT_BUILT_IN ? "built-in" : "slot");
    start_network();
    if (!network_started) {
        say("the network does not start", "");
    }
}

static void retry_network(void)
{
    if (!network_started && clock_ms() - network_tried_ms >= NETWORK_RETRY_MS) {
        start_network();
        if (network_started) {
            say("the network has started", "");
        }
    }
}

bool os_turn(void)
{
    if (reset_requested && clock_ms() - reset_requested_ms >= RESET_DELAY_MS) {
        say("reset", "");
        system_port_reset();
    }
    if (os_system.on_trial && os_system.proof.wrong) {
        return false; /* nothing but the reset to come */
    }
    retry_network();
    network_poll();
    bool busy = update_poll();
    busy = training_poll() || busy;
    /* Back to back, the processor does not sleep either: waking up would be a part of every gap. */
    return busy || os_system.page.period_us == 0 || !network_idle();
}
