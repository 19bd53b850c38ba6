/* The gradient of softmax and cross entropy by a logit is the probability, less 1 where the label is. */
#include "training/trainer.h"

#include <stdbool.h>

#include "training/head.h"
#include "training/real.h"
#include "training/samples.h"

#define SLICE_PARAMETERS 4096u /* in one turn of the loop, or one step: on a Cortex-M3 a million instructions */
#define MIX_ROUND 0x9E3779B1u
#define MIX_EPOCH 0x85EBCA6Bu

static const struct model_head *head;
static float *parameters;
static uint32_t round_of, epochs, epoch, at, count, steps;
static float rate, sum, loss;
static uint16_t order[SAMPLES_MAX];
static float logits[MODEL_HEAD_CLASSES];

static uint32_t random_next(uint32_t *state) /* xorshift32 */
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

static void shuffle(void)
{
    uint32_t state = (round_of * MIX_ROUND) ^ ((epoch + 1) * MIX_EPOCH);
    state = state == 0 ? 1 : state;
    for (uint32_t index = 0; index < count; index++) {
        order[index] = (uint16_t)index;
    }
    for (uint32_t last = count - 1; last > 0; last--) {
        uint32_t other = random_next(&state) % (last + 1);
        uint16_t kept = order[last];
        order[last] = order[other];
        order[other] = kept;
    }
}

void trainer_start(const struct model_head *of, float *from, uint32_t round, uint32_t how_often, float learning_rate)
{
    head = of;
    parameters = from;
    round_of = round;
    epochs = how_often;
    rate = learning_rate;
    epoch = 0;
    at = 0;
    sum = 0;
    loss = 0;
    count = samples_count();
    shuffle();
}

/* One sample; its loss before the step. */
static float step(uint32_t sample)
{
    const int8_t *features = samples_features(sample);
    uint16_t label = samples_label(sample);
    head_logits(head, parameters, features, logits);
    float wanted = logits[label];
    float entropy = head_softmax(logits, head->outputs) - wanted;
    logits[label] -= 1.0f;
    float *weight = parameters;
    for (uint32_t feature = 0; feature < head->feature_count; feature++) {
        float move = rate * head_feature(head, features[feature]);
        for (uint32_t output = 0; output < head->outputs; output++) {
            *weight++ -= move * logits[output];
        }
    }
    for (uint32_t output = 0; output < head->outputs; output++) {
        *weight++ -= rate * logits[output];
    }
    steps++;
    return entropy;
}

static bool all_finite(void)
{
    for (uint32_t index = 0; index < head->parameters; index++) {
        if (!real_finite(parameters[index])) {
            return false;
        }
    }
    return true;
}

static enum trainer_state end_epoch(void)
{
    loss = sum / (float)count;
    sum = 0;
    at = 0;
    epoch++;
    if (!real_finite(loss) || !all_finite()) { /* a sum of finite losses may be none */
        return TRAINER_DIVERGED;
    }
    if (epoch == epochs) {
        return TRAINER_DONE;
    }
    shuffle();
    return TRAINER_MORE;
}

enum trainer_state trainer_some(void)
{
    for (uint32_t done = 0; done < SLICE_PARAMETERS; done += head->parameters) {
        float entropy = step(order[at]);
        if (!real_finite(entropy)) {
            return TRAINER_DIVERGED;
        }
        sum += entropy;
        if (++at == count) {
            return end_epoch();
        }
    }
    return TRAINER_MORE;
}

float trainer_loss(void)
{
    return loss;
}

uint32_t trainer_samples(void)
{
    return count;
}

uint32_t trainer_steps(void)
{
    return steps;
}
