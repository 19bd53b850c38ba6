/* Runs in the timer's interrupt, above the loop: no signature check, flash write or handshake delays an inference. The
 * loop never runs while an inference does, so that what they share needs no lock. */
#include "core/inference.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "board.h"
#include "core/bytes.h"
#include "core/clock.h"
#include "core/inference_port.h"
#include "core/model_port.h"
#include "core/status.h"
#include "timer.h"

#define MICROSECONDS 1000000u
#define SHORTEST_WAIT_TICKS 16u

static const struct model *volatile running;
static volatile struct inference_figures figures;
static uint32_t period_ticks, last_end;
static volatile uint32_t ticks_taken;

static uint8_t submitted[INFERENCE_INPUT_BYTES];
static volatile uint32_t submitted_bytes;
static volatile bool waiting;
static uint8_t output[INFERENCE_OUTPUT_BYTES];
static volatile struct inference_result result;

uint32_t inference_input_bytes(void)
{
    return running == NULL ? 0 : running->all_input_bytes;
}

int inference_submit(const uint8_t *input, uint32_t length)
{
    if (running == NULL || length != inference_input_bytes()) {
        return OS_ARGUMENT;
    }
    if (length > sizeof submitted || running->all_output_bytes > sizeof output) {
        return OS_TOO_LARGE;
    }
    if (waiting) {
        return OS_AGAIN;
    }
    bytes_copy(submitted, input, length);
    submitted_bytes = length;
    atomic_signal_fence(memory_order_release); /* the bytes are not volatile: none of them is written after the flag */
    waiting = true;
    return OS_OK;
}

int inference_result(struct inference_result *into)
{
    if (result.sequence == 0) {
        return OS_NOT_FOUND;
    }
    into->output = output;
    into->length = result.length;
    into->sequence = result.sequence;
    into->instructions = result.instructions;
    return OS_OK;
}

void inference_use(const struct model *model)
{
    waiting = false; /* it was meant for the model before */
    model_port_reset(model); /* which does not run yet: its sequence begins now */
    running = model;
}

struct inference_figures inference_figures(void)
{
    struct inference_figures copy = {figures.inferences, figures.longest_gap_ticks, figures.slowest_ticks};
    return copy;
}

uint32_t inference_ticks_taken(void)
{
    return ticks_taken;
}

void inference_start(uint32_t period_us)
{
    period_ticks = (uint32_t)((uint64_t)period_us * BOARD_HZ / MICROSECONDS);
    last_end = timer_now();
    inference_port_start();
}

static void keep_result(const struct model *model, uint32_t ticks)
{
    model_get_outputs(model, output);
    result.length = model->all_output_bytes;
    result.instructions = clock_instructions(ticks);
    result.sequence = result.sequence + 1;
    waiting = false;
}

uint32_t inference_turn(void)
{
    const struct model *model = running;
    uint32_t begin = timer_now(), gap = last_end - begin; /* the timer counts down */
    bool asked = waiting && submitted_bytes == model->all_input_bytes;
    if (asked) {
        model_set_inputs(model, submitted);
    } else if (model->golden_vectors != 0) {
        model_set_inputs(model, model->golden_inputs +
                                    figures.inferences % model->golden_vectors * model->all_input_bytes);
    }
    uint32_t invoked = timer_now();
    model_port_invoke(model);
    uint32_t ticks = timer_since(invoked);
    if (asked) {
        keep_result(model, ticks);
    }
    if (figures.inferences != 0 && gap > figures.longest_gap_ticks) {
        figures.longest_gap_ticks = gap;
    }
    if (ticks > figures.slowest_ticks) {
        figures.slowest_ticks = ticks;
    }
    figures.inferences = figures.inferences + 1;
    uint32_t spent = timer_since(begin);
    ticks_taken = ticks_taken + spent;
    last_end = timer_now();
    uint32_t rest = period_ticks > spent ? period_ticks - spent : 0;
    uint32_t wait = rest > spent ? rest : spent;
    return wait > SHORTEST_WAIT_TICKS ? wait : SHORTEST_WAIT_TICKS;
}
