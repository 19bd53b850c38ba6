/* On-device training of the head of the model that runs, as Object 26243 shows it. */
#ifndef TRAINING_TRAINING_H
#define TRAINING_TRAINING_H

#include <stdbool.h>
#include <stdint.h>

#include "core/model_image.h"
#include "core/status.h"

#define TRAINING_EPOCHS 1000u           /* of one round, at most */
#define TRAINING_RATE_MILLIONTHS 10000000u

enum training_state { TRAINING_IDLE, TRAINING_RUNS, TRAINING_TRAINED, TRAINING_FAILED };

struct training_figures {
    enum training_state state;
    uint32_t samples, capacity;
    uint32_t features, outputs; /* 0: the model has no head that can be trained */
    uint32_t round;             /* of the head that was given last, or else of the trained one */
    float loss;                 /* mean cross entropy over the last epoch */
    uint32_t steps;             /* since the start */
    uint32_t persists;          /* how often a head was written to flash */
    bool used;                  /* the trained head answers */
    int32_t correct;            /* of the samples, by the head that answers; -1: not counted since something changed */
    const char *error;          /* why the state is TRAINING_FAILED, or "" */
};

struct training_figures training_figures(void);

/* What came of the last round that ended well; it stays over a reset. */
struct training_update {
    uint32_t round, samples;
    const uint8_t *base; /* MODEL_IMAGE_SHA256_BYTES, of the head that it began with */
    float loss;
    const uint8_t *kernel, *bias; /* float32, little-endian */
    uint32_t kernel_bytes, bias_bytes;
};

/* False when there is none. */
bool training_update(struct training_update *update);

/* All of these return an os_status, and on a refusal a sentence in `why`: OS_ARGUMENT when a value cannot be, OS_STATE when
 * it is not the time, OS_AGAIN when it soon will be, OS_TOO_LARGE when there is no room. */

/* The head that a round begins with: float32, little-endian, [features][outputs] and [outputs]. Ends a training. */
int training_take_head(uint32_t round, const uint8_t *kernel, uint32_t kernel_bytes, const uint8_t *bias,
                       uint32_t bias_bytes, const char **why);

/* One labelled sample: the model's input, with `check` only looked at. */
int training_add_sample(uint16_t label, const uint8_t *input, uint32_t length, bool check, const char **why);
int training_clear_samples(const char **why);

int training_start(uint32_t round, uint32_t epochs, uint32_t rate_millionths, const char **why);

/* Whether the trained head answers; kept over a reset, for this model. A head that was given after the last training, as
 * the average of a federation that has ended, is written to flash and answers as it is: TRAINING_RUNS until it does. */
int training_use_trained(bool used, bool check, const char **why);

/* Counts how many of the samples the head that answers gets right. */
int training_evaluate(const char **why);

#endif
