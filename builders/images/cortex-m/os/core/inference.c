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
#include "core/training.h"
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
static uint8_t *volatile features; /* where those of the submitted input go; NULL: its output is what is wanted */
static volatile bool submissions;  /* the running model has been given an input */
static uint8_t output[INFERENCE_OUTPUT_BYTES];
static volatile struct {
    uint32_t length, sequence, instructions;
} result;

uint32_t inference_input_bytes(void)
{
    return running == NULL ? 0 : running->all_input_bytes;
}

static int submit(const uint8_t *input, uint32_t length, uint8_t *wanted)
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
    features = wanted;
    atomic_signal_fence(memory_order_release); /* the bytes are not volatile: none of them is written after the flag */
    waiting = true;
    return OS_OK;
}

int inference_submit(const uint8_t *input, uint32_t length)
{
    return submit(input, length, NULL);
}

int inference_submit_for_features(const uint8_t *input, uint32_t length, uint8_t *into)
{
    return submit(input, length, into);
}

bool inference_waits(void)
{
    return waiting;
}

int inference_result(struct inference_result *into)
{
    if (result.sequence == 0) {
        return OS_NOT_FOUND;
    }
    do { /* again when the next result came in between */
        into->sequence = result.sequence;
        into->length = result.length;
        into->instructions = result.instructions;
        atomic_signal_fence(memory_order_acquire);
        bytes_copy(into->output, output, into->length);
        atomic_signal_fence(memory_order_acquire); /* the bytes are not volatile: none of them is read after this */
    } while (into->sequence != result.sequence);
    return OS_OK;
}

void inference_use(const struct model *model)
{
    waiting = false; /* it was meant for the model before */
    training_use(model);
    submissions = false;
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

/* What the answer to a submitted input took: `ticks` of the model, and of the trained head where that one answers. */
static uint32_t keep_result(const struct model *model, uint32_t ticks)
{
    uint32_t begin = timer_now();
    if (training_answers(model, output)) {
        ticks += timer_since(begin);
    } else {
        model_get_outputs(model, output);
    }
    result.length = model->all_output_bytes;
    result.instructions = clock_instructions(ticks);
    result.sequence = result.sequence + 1;
    return ticks;
}

/* Sets the model's inputs: the submitted ones, or golden ones to go on with. False when there is nothing to compute: what
 * remembers the inputs before is not disturbed by golden ones once it has been given others. */
static bool set_inputs(const struct model *model, bool asked)
{
    if (asked) {
        if (!submissions && model->state_bytes != 0) {
            model_port_reset(model); /* of the golden inputs so far it remembers nothing either */
        }
        submissions = true;
        model_set_inputs(model, submitted);
        return true;
    }
    if (submissions && model->state_bytes != 0) {
        return false;
    }
    if (model->golden_vectors != 0) {
        model_set_inputs(model, model->golden_inputs +
                                    figures.inferences % model->golden_vectors * model->all_input_bytes);
    }
    return true;
}

static uint32_t answer(const struct model *model, uint32_t ticks)
{
    if (features == NULL) {
        ticks = keep_result(model, ticks);
    } else {
        bytes_copy(features, model->head.features, model->head.feature_count);
    }
    waiting = false;
    return ticks;
}

static uint32_t ticks_until_next(uint32_t spent)
{
    uint32_t rest = period_ticks > spent ? period_ticks - spent : 0;
    uint32_t wait = rest > spent ? rest : spent;
    return wait > SHORTEST_WAIT_TICKS ? wait : SHORTEST_WAIT_TICKS;
}

uint32_t inference_turn(void)
{
    const struct model *model = running;
    uint32_t begin = timer_now(), gap = last_end - begin; /* the timer counts down */
    bool asked = waiting && submitted_bytes == model->all_input_bytes;
    if (!set_inputs(model, asked)) {
        last_end = begin; /* it waits for inputs: this is no gap */
        return ticks_until_next(timer_since(begin));
    }
    uint32_t invoked = timer_now();
    model_port_invoke(model);
    uint32_t ticks = timer_since(invoked);
    if (asked) {
        ticks = answer(model, ticks);
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
    return ticks_until_next(spent);
}
