/* Object 26243, "TinyMLaaS training": labelled samples, a round of training, and what came of it. */
#include "federation/objects.h"
#include "federation/sample.h"
#include "federation/training_refusal.h"
#include "training/training.h"

#define ARGUMENTS 3u
#define ARGUMENT_DIGITS 9u /* fits an uint32 with no look at the last digit */

enum {
    STATE,
    SAMPLES,
    SAMPLE,
    CLEAR,
    TRAIN,
    ROUND,
    LOSS,
    STEPS,
    PERSISTS,
    USE,
    ERROR,
    CAPACITY,
    FEATURES,
    OUTPUTS,
    EVALUATION,
};

static const struct resource resources[] = {
    {STATE, VALUE_INTEGER, RESOURCE_R},
    {SAMPLES, VALUE_INTEGER, RESOURCE_R},
    {SAMPLE, VALUE_OPAQUE, RESOURCE_W},
    {CLEAR, VALUE_NONE, RESOURCE_E},
    {TRAIN, VALUE_NONE, RESOURCE_E},
    {ROUND, VALUE_INTEGER, RESOURCE_R},
    {LOSS, VALUE_FLOAT, RESOURCE_R},
    {STEPS, VALUE_INTEGER, RESOURCE_R},
    {PERSISTS, VALUE_INTEGER, RESOURCE_R},
    {USE, VALUE_BOOLEAN, RESOURCE_R | RESOURCE_W},
    {ERROR, VALUE_STRING, RESOURCE_R},
    {CAPACITY, VALUE_INTEGER, RESOURCE_R},
    {FEATURES, VALUE_INTEGER, RESOURCE_R},
    {OUTPUTS, VALUE_INTEGER, RESOURCE_R},
    {EVALUATION, VALUE_INTEGER, RESOURCE_R | RESOURCE_E},
};

static int64_t number(uint16_t resource, const struct training_figures *figures)
{
    switch (resource) {
    case STATE:
        return figures->state;
    case SAMPLES:
        return figures->samples;
    case ROUND:
        return figures->round;
    case STEPS:
        return figures->steps;
    case PERSISTS:
        return figures->persists;
    case CAPACITY:
        return figures->capacity;
    case FEATURES:
        return figures->features;
    case OUTPUTS:
        return figures->outputs;
    default:
        return figures->correct;
    }
}

static bool read(uint16_t instance, uint16_t resource, uint32_t index, struct value *value)
{
    (void)instance;
    struct training_figures figures = training_figures();
    switch (resource) {
    case LOSS:
        *value = value_float(figures.loss);
        break;
    case USE:
        *value = value_boolean(figures.used);
        break;
    case ERROR:
        *value = value_string(figures.error);
        break;
    default:
        *value = value_integer(number(resource, &figures));
    }
    return index == 0;
}

static enum coap_code write(uint16_t instance, uint16_t resource, const struct value *value, bool check)
{
    (void)instance;
    const char *why = 0;
    if (resource == SAMPLE) {
        return sample_take(value->data, value->length, check);
    }
    int status = training_use_trained(value->integer != 0, check, &why);
    return training_answer(status, why);
}

/* "0='7',1='5',2='10000'" (Core 1.1.1, section 5.4.5): every one of them, in any order, once. */
static bool parse_arguments(const struct coap_text *text, uint32_t values[ARGUMENTS])
{
    uint32_t at = 0, seen = 0;
    while (at < text->length) {
        uint32_t which = (uint32_t)text->data[at] - '0', digits = 0;
        if (which >= ARGUMENTS || (seen >> which & 1u) != 0 || text->length - at < 3 || text->data[at + 1] != '=' ||
            text->data[at + 2] != '\'') {
            return false;
        }
        at += 3;
        values[which] = 0;
        while (at < text->length && text->data[at] >= '0' && text->data[at] <= '9' && digits++ < ARGUMENT_DIGITS) {
            values[which] = values[which] * 10 + (uint32_t)(text->data[at++] - '0');
        }
        if (digits == 0 || at == text->length || text->data[at++] != '\'') {
            return false;
        }
        seen |= 1u << which;
        if (at < text->length && (text->data[at++] != ',' || at == text->length)) {
            return false;
        }
    }
    return seen == (1u << ARGUMENTS) - 1;
}

static enum coap_code train(const struct coap_text *arguments)
{
    uint32_t values[ARGUMENTS];
    const char *why = 0;
    if (!parse_arguments(arguments, values)) {
        return refuse(COAP_BAD_REQUEST, "train takes 0='round',1='epochs',2='learning rate in millionths'");
    }
    return training_answer(training_start(values[0], values[1], values[2], &why), why);
}

static enum coap_code execute(uint16_t instance, uint16_t resource, const struct coap_text *arguments)
{
    (void)instance;
    const char *why = 0;
    if (resource == TRAIN) {
        return train(arguments);
    }
    int status = resource == CLEAR ? training_clear_samples(&why) : training_evaluate(&why);
    return training_answer(status, why);
}

const struct object object_training = {
    .id = 26243,
    .instances = 1,
    .resources = resources,
    .resource_count = sizeof resources / sizeof resources[0],
    .read = read,
    .write = write,
    .execute = execute,
};
