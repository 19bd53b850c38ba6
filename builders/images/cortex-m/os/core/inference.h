/* Inference without end: the model that runs, inputs for it, and what it makes of them. */
#ifndef CORE_INFERENCE_H
#define CORE_INFERENCE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/model.h"

#define INFERENCE_INPUT_BYTES 32768u /* of a submitted input */
#define INFERENCE_OUTPUT_BYTES 4096u

struct inference_result {
    uint32_t length;
    uint32_t sequence; /* of submitted inputs, from 1; 0 before the first */
    uint32_t instructions; /* 0 when the clock does not tell */
    uint8_t output[INFERENCE_OUTPUT_BYTES]; /* the output tensors, one after the other */
};

struct inference_figures {
    uint32_t inferences;
    uint32_t longest_gap_ticks; /* from the end of one to the start of the next */
    uint32_t slowest_ticks;
};

/* All input tensors' bytes, one after the other. OS_ARGUMENT when there are not as many as the model takes,
   OS_TOO_LARGE when they or the outputs outgrow the buffers, OS_AGAIN while the input before it waits. A model with a
   state takes the first one in the state of its beginning, and from then on runs only for what is submitted. */
int inference_submit(const uint8_t *input, uint32_t length);

/* The same for the features that the head of the running model reads: they are in `into` once nothing waits. */
int inference_submit_for_features(const uint8_t *input, uint32_t length, uint8_t *into);

/* Whether an input waits. */
bool inference_waits(void);

/* A copy of the last submitted input's result; OS_NOT_FOUND before the first. */
int inference_result(struct inference_result *result);

/* How many bytes the running model takes. */
uint32_t inference_input_bytes(void);

/* Runs this model, which does not run yet, from its first state and the next inference on; the one before it is no longer touched when this returns. */
void inference_use(const struct model *model);

/* Inference begins, every `period_us` or, when 0, back to back at half of the time. */
void inference_start(uint32_t period_us);

struct inference_figures inference_figures(void);

/* Ticks that the interrupt has taken from the loop so far; wraps. */
uint32_t inference_ticks_taken(void);

/* For the port, in the timer's interrupt: one inference; returns the ticks until the next one. */
uint32_t inference_turn(void);

#endif
