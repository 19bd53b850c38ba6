/* Gathers what is known of the device. */
#include "core/device.h"

#include "board.h"
#include "core/clock.h"
#include "core/inference.h"
#include "core/system.h"
#include "core/text.h"
#include "core/update_model.h"
#include "stack.h"

#define MILLISECONDS 1000u

static char abi_hex[2 * MODEL_IMAGE_ABI_BYTES + 1], model_hex[2 * MODEL_IMAGE_SHA256_BYTES + 1];
static struct device_info info;

const struct device_info *device_info(void)
{
    static const char *const sources[] = {"built-in", "a", "b"};
    static const char *const reasons[] = {"power-on", "watchdog", "fault", "software"};
    const struct model *model = update_model_running();
    struct inference_figures figures = inference_figures();
    struct text abi = text_into(abi_hex, sizeof abi_hex), sha256 = text_into(model_hex, sizeof model_hex);
    text_hex(&abi, os_system.abi, MODEL_IMAGE_ABI_BYTES);
    text_hex(&sha256, model->sha256, MODEL_IMAGE_SHA256_BYTES);
    info = (struct device_info){
        .board = BOARD_NAME,
        .firmware_version = os_system.version,
        .model_sha256 = model_hex,
        .model_version = model->version,
        .abi = abi_hex,
        .model_source = sources[update_model_source()],
        .reset_reason = reasons[os_system.reset],
        .arena_bytes = model->arena_bytes,
        .instructions = clock_instructions(figures.slowest_ticks),
        .longest_gap_ticks = figures.longest_gap_ticks,
        .inference_ticks = figures.slowest_ticks,
        .free_stack = BOARD_STACK_BYTES - stack_used(),
        .uptime_s = clock_ms() / MILLISECONDS,
        .inferences = figures.inferences,
    };
    return &info;
}
