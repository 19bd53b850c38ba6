/* The interrupt of inference reads which head answers: it changes by one word at a time. */
#include "training/answering.h"

#include <stdatomic.h>
#include <stddef.h>

#include "core/bytes.h"
#include "core/flash_map.h"
#include "core/record.h"
#include "core/training.h"
#include "training/head.h"

/* Kept in flash: of which model the trained head answers. */
struct use_record {
    uint8_t model[MODEL_IMAGE_SHA256_BYTES];
    uint32_t used;
};

static const struct model *model; /* the one that runs */
static const struct head_record *stored;
static bool used;

/* What the interrupt reads: the model whose head in flash answers, and that head. */
static const struct model *volatile answering;
static const float *volatile answers;

void answering_stop(void)
{
    answering = NULL;
    stored = NULL;
    used = false;
}

void answering_refresh(void)
{
    const float *found = NULL;
    stored = head_store_find(model, &found);
    answers = found;
    atomic_signal_fence(memory_order_release);
    answering = used && stored != NULL ? model : NULL;
}

static bool was_used(void)
{
    struct use_record kept;
    return record_load(FLASH_HEAD_USE, &kept, sizeof kept) == OS_OK && kept.used != 0 &&
           bytes_equal(kept.model, model->sha256, sizeof kept.model);
}

void answering_start(const struct model *next)
{
    model = next;
    used = was_used();
    answering_refresh();
    used = used && stored != NULL;
}

enum os_status answering_use(bool wanted)
{
    struct use_record kept = {.used = wanted};
    bytes_copy(kept.model, model->sha256, sizeof kept.model);
    enum os_status status = record_store(FLASH_HEAD_USE, &kept, sizeof kept);
    if (status == OS_OK) {
        used = wanted;
        answering_refresh();
    }
    return status;
}

bool answering_used(void)
{
    return used;
}

const struct head_record *answering_stored(void)
{
    return stored;
}

void answering_logits(const int8_t *features, float *logits)
{
    if (answering == model) {
        head_logits(&model->head, answers, features, logits);
    } else {
        head_own_logits(&model->head, features, logits);
    }
}

bool training_answers(const struct model *running, uint8_t *output)
{
    static float logits[MODEL_HEAD_CLASSES];
    if (answering != running) {
        return false;
    }
    head_logits(&running->head, answers, running->head.features, logits);
    head_output(&running->head, logits, output);
    return true;
}
