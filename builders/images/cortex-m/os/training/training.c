/* A head arrives, is trained in memory, and only what came out is written to flash: once a round. */
#include "training/training.h"

#include <bearssl_hash.h>
#include <stddef.h>

#include "core/bytes.h"
#include "core/inference.h"
#include "core/training.h"
#include "training/answering.h"
#include "training/head.h"
#include "training/head_store.h"
#include "training/real.h"
#include "training/samples.h"
#include "training/trainer.h"

#define MILLION 1000000.0f
#define UNKNOWN (-1)

enum work { WORK_NOTHING, WORK_TRAIN, WORK_STORE, WORK_COUNT };

static const struct model *model; /* the one that runs */
static enum training_state state;
static enum work work;
static const char *error = "";
static float parameters[MODEL_HEAD_PARAMETERS];
static uint8_t base[MODEL_IMAGE_SHA256_BYTES]; /* of the parameters as they were given */
static bool given;                             /* they are as they were given, and of `round` */
static uint32_t round_of;
static struct head_record record; /* that is being written */
static bool adopts;               /* what is written was given and not trained, and will answer */
static uint32_t persists;         /* to flash; counted at each start */
static float loss;
static int32_t correct = UNKNOWN;
static uint32_t counted, hits;

static int refuse(const char **why, int status, const char *sentence)
{
    *why = sentence;
    return status;
}

static bool has_head(void)
{
    return model != NULL && model->head.features != NULL;
}

static int refuse_no_head(const char **why)
{
    return refuse(why, OS_STATE, "the model has no head that can be trained: build it with trainable_head");
}

/* The head that the model came with, as one that was given for round 0. */
static void take_own_head(void)
{
    br_sha256_context context;
    head_parameters(&model->head, parameters);
    br_sha256_init(&context);
    br_sha256_update(&context, parameters, model->head.parameters * sizeof(float));
    br_sha256_out(&context, base);
    round_of = 0;
    given = true;
}

void training_use(const struct model *next)
{
    answering_stop();
    model = next;
    work = WORK_NOTHING;
    state = TRAINING_IDLE;
    error = "";
    round_of = 0;
    loss = 0;
    given = false;
    adopts = false;
    correct = UNKNOWN;
    samples_clear(&model->head);
    persists = head_store_persists();
    if (!has_head()) {
        return;
    }
    answering_start(model);
    const struct head_record *stored = answering_stored();
    if (stored == NULL) {
        take_own_head();
    } else {
        state = stored->samples == 0 ? TRAINING_IDLE : TRAINING_TRAINED;
        round_of = stored->round;
        loss = stored->loss;
    }
}

static void fail(const char *why)
{
    state = TRAINING_FAILED;
    error = why;
    work = WORK_NOTHING;
}

static int begin_to_store(uint32_t samples, float mean_loss)
{
    record = (struct head_record){
        .round = round_of, .samples = samples, .parameters = model->head.parameters, .loss = mean_loss};
    bytes_copy(record.model, model->sha256, sizeof record.model);
    bytes_copy(record.base, base, sizeof record.base);
    work = WORK_STORE;
    int status = (int)head_store_begin(&record, parameters);
    if (status != OS_OK) {
        fail("the flash cannot be written");
    }
    return status;
}

static void train_some(void)
{
    switch (trainer_some()) {
    case TRAINER_MORE:
        return;
    case TRAINER_DIVERGED:
        fail("the loss is no longer a number: train with a smaller learning rate");
        return;
    default:
        break;
    }
    adopts = false;
    begin_to_store(trainer_samples(), trainer_loss());
}

static void store_some(void)
{
    enum os_status status = head_store_some();
    if (status == OS_AGAIN) {
        return;
    }
    if (status != OS_OK || (adopts && answering_use(true) != OS_OK)) {
        fail("the flash cannot be written");
        return;
    }
    work = WORK_NOTHING;
    state = adopts ? TRAINING_IDLE : TRAINING_TRAINED;
    loss = record.loss;
    persists = record.persists;
    correct = UNKNOWN;
    answering_refresh();
}

static void count_some(void)
{
    static float logits[MODEL_HEAD_CLASSES];
    if (counted == samples_count()) {
        work = WORK_NOTHING;
        correct = (int32_t)hits;
        return;
    }
    const int8_t *features = samples_features(counted);
    answering_logits(features, logits);
    hits += head_class(logits, model->head.outputs) == samples_label(counted);
    counted++;
}

bool training_poll(void)
{
    if (samples_poll()) {
        correct = UNKNOWN;
    }
    switch (work) {
    case WORK_TRAIN:
        train_some();
        break;
    case WORK_STORE:
        store_some();
        break;
    case WORK_COUNT:
        count_some();
        break;
    default:
        break;
    }
    return work != WORK_NOTHING;
}

static bool busy(const char **why)
{
    if (work == WORK_NOTHING) {
        return false;
    }
    *why = "it is training, or counting: try again when it is done";
    return true;
}

static bool all_finite(const uint8_t *bytes, uint32_t length)
{
    for (uint32_t at = 0; at < length; at += sizeof(float)) {
        float number;
        bytes_copy(&number, bytes + at, sizeof number);
        if (!real_finite(number)) {
            return false;
        }
    }
    return true;
}

int training_take_head(uint32_t round, const uint8_t *kernel, uint32_t kernel_bytes, const uint8_t *bias,
                       uint32_t bias_bytes, const char **why)
{
    if (!has_head()) {
        return refuse_no_head(why);
    }
    const struct model_head *head = &model->head;
    uint32_t weights = head->feature_count * head->outputs;
    if (kernel_bytes != weights * sizeof(float) || bias_bytes != head->outputs * sizeof(float)) {
        return refuse(why, OS_ARGUMENT, "the head is not [features, outputs] and [outputs]: see 12 and 13 of /26243/0");
    }
    if (!all_finite(kernel, kernel_bytes) || !all_finite(bias, bias_bytes)) {
        return refuse(why, OS_ARGUMENT, "a parameter of the head is not a finite number");
    }
    if (work == WORK_STORE) { /* that reads the parameters: a few turns of the loop */
        return refuse(why, OS_AGAIN, "the trained head is being written to flash: try again");
    }
    br_sha256_context context;
    br_sha256_init(&context);
    br_sha256_update(&context, kernel, kernel_bytes);
    br_sha256_update(&context, bias, bias_bytes);
    br_sha256_out(&context, base);
    bytes_copy(parameters, kernel, kernel_bytes);
    bytes_copy(parameters + weights, bias, bias_bytes);
    round_of = round;
    given = true;
    state = TRAINING_IDLE;
    error = "";
    work = WORK_NOTHING; /* a training that was under way was of an earlier round */
    return OS_OK;
}

int training_add_sample(uint16_t label, const uint8_t *input, uint32_t length, bool check, const char **why)
{
    if (!has_head()) {
        return refuse_no_head(why);
    }
    if (label >= model->head.outputs) {
        return refuse(why, OS_ARGUMENT, "the label is none of the model's outputs");
    }
    if (length != model->all_input_bytes) {
        return refuse(why, OS_ARGUMENT, "not a label of two bytes and then the bytes of the model's input tensors");
    }
    if (busy(why)) {
        return OS_AGAIN;
    }
    if (samples_count() == samples_capacity()) {
        return refuse(why, OS_TOO_LARGE, "there is no room for one more sample: clear them");
    }
    int status = check ? OS_OK : (int)samples_add(label, input, length);
    return status == OS_OK ? status : refuse(why, status, "the input before this one waits: try again");
}

int training_clear_samples(const char **why)
{
    if (busy(why)) {
        return OS_AGAIN;
    }
    if (!has_head()) {
        return refuse_no_head(why);
    }
    samples_clear(&model->head);
    correct = UNKNOWN;
    return OS_OK;
}

int training_start(uint32_t round, uint32_t epochs, uint32_t rate_millionths, const char **why)
{
    if (!has_head()) {
        return refuse_no_head(why);
    }
    if (busy(why)) {
        return OS_STATE;
    }
    if (epochs == 0 || epochs > TRAINING_EPOCHS || rate_millionths == 0 ||
        rate_millionths > TRAINING_RATE_MILLIONTHS) {
        return refuse(why, OS_ARGUMENT, "epochs are 1 to 1000, the learning rate 1 to 10000000 millionths");
    }
    if (!given || round != round_of) {
        return refuse(why, OS_STATE, "there is no head for this round: write it to /19/0/0/0 first");
    }
    if (samples_count() == 0) {
        return refuse(why, OS_STATE, "there are no samples: write some to /26243/0/2 first");
    }
    given = false; /* from here on they are something else */
    state = TRAINING_RUNS;
    error = "";
    work = WORK_TRAIN;
    trainer_start(&model->head, parameters, round, epochs, (float)rate_millionths / MILLION);
    return OS_OK;
}

int training_use_trained(bool wanted, bool check, const char **why)
{
    if (!has_head()) {
        return refuse_no_head(why);
    }
    bool adopted = wanted && given && round_of != 0; /* round 0 is the model's own head */
    if (wanted && answering_stored() == NULL && !adopted) {
        return refuse(why, OS_STATE, "there is no trained head of this model");
    }
    if (busy(why)) {
        return OS_AGAIN;
    }
    if (check || (wanted == answering_used() && !adopted)) {
        return OS_OK;
    }
    if (adopted) {
        given = false; /* it is written once */
        adopts = true;
        state = TRAINING_RUNS;
        return begin_to_store(0, 0) == OS_OK ? OS_OK : refuse(why, OS_STATE, error);
    }
    correct = UNKNOWN;
    int status = (int)answering_use(wanted);
    return status == OS_OK ? status : refuse(why, status, "the flash cannot be written");
}

int training_evaluate(const char **why)
{
    if (!has_head()) {
        return refuse_no_head(why);
    }
    if (busy(why)) {
        return OS_AGAIN;
    }
    counted = 0;
    hits = 0;
    work = WORK_COUNT;
    return OS_OK;
}

bool training_update(struct training_update *update)
{
    const struct head_record *stored = answering_stored();
    if (stored == NULL || stored->samples == 0) { /* what was given and not trained is no update */
        return false;
    }
    uint32_t bias_bytes = model->head.outputs * (uint32_t)sizeof(float);
    uint32_t kernel_bytes = model->head.parameters * (uint32_t)sizeof(float) - bias_bytes;
    const uint8_t *first = (const void *)(stored + 1);
    *update = (struct training_update){.round = stored->round,
                                       .samples = stored->samples,
                                       .base = stored->base,
                                       .loss = stored->loss,
                                       .kernel = first,
                                       .bias = first + kernel_bytes,
                                       .kernel_bytes = kernel_bytes,
                                       .bias_bytes = bias_bytes};
    return true;
}

struct training_figures training_figures(void)
{
    bool head = has_head();
    return (struct training_figures){
        .state = state,
        .samples = samples_count(),
        .capacity = samples_capacity(),
        .features = head ? model->head.feature_count : 0,
        .outputs = head ? model->head.outputs : 0,
        .round = round_of,
        .loss = work == WORK_TRAIN ? trainer_loss() : loss,
        .steps = trainer_steps(),
        .persists = persists,
        .used = answering_used(),
        .correct = correct,
        .error = error,
    };
}
