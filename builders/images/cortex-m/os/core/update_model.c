/* A model is used only after its signature, its ABI and its golden vectors, and again after each reset. */
#include "core/update_model.h"

#include "core/boot_record.h"
#include "core/bytes.h"
#include "core/clock.h"
#include "core/flash.h"
#include "core/inference.h"
#include "core/model_place.h"
#include "core/text.h"
#include "core/update_report.h"
#include "core/update_result.h"
#include "core/update_start.h"
#include "core/watchdog.h"

#define HASH_SLICE 65536u /* bytes between two feedings of the watchdog */

static enum boot_model source;

static enum boot_model source_of(enum update_target which)
{
    return which == UPDATE_MODEL_A ? BOOT_MODEL_A : BOOT_MODEL_B;
}

enum boot_model update_model_source(void)
{
    return source;
}

const struct model *update_model_running(void)
{
    return source == BOOT_BUILT_IN    ? &os_system.built_in
           : source == BOOT_MODEL_A ? &update_target(UPDATE_MODEL_A)->model
                                    : &update_target(UPDATE_MODEL_B)->model;
}

bool update_active(enum update_target which)
{
    return which != UPDATE_FIRMWARE && source == source_of(which);
}

static void give_up(enum update_target which, const char *verdict, const char *reason, int result,
                    const struct proof *proof)
{
    struct target *target = update_target(which);
    update_report_store(&(struct update_outcome){.verdict = verdict,
                                                 .reason = reason,
                                                 .result = result,
                                                 .image = proof == NULL ? NULL : &target->image,
                                                 .proof = proof});
    target->work = WORK_NONE;
    target->known = false;
    target->loaded = false;
    target->record.stored = 0;
    target->record.etag_length = 0;
    update_store(which, UPDATE_IDLE, result);
}

/* All of a verification at once, for as long as that takes. */
static enum image_refusal verify(struct target *target, const struct image_demand *demand)
{
    static struct image_check check;
    enum image_refusal refusal =
        image_open(&check, flash_at(target->package.slot), target->record.stored, demand);
    if (refusal != IMAGE_ACCEPTED) {
        return refusal;
    }
    do {
        watchdog_feed();
    } while (!image_hash_some(&check, HASH_SLICE));
    watchdog_feed();
    refusal = image_close(&check);
    if (refusal == IMAGE_ACCEPTED) {
        update_describe(target, &check.image);
    }
    return refusal;
}

/* Verifies the slot's image, unless that was done since the start, and reads its model; the word of a refusal or "". */
static const char *load(enum update_target which, struct target *target, int *result)
{
    if (!target->known) {
        struct image_demand demand;
        update_demand(which, &demand);
        enum image_refusal refusal = verify(target, &demand);
        if (refusal != IMAGE_ACCEPTED) {
            *result = update_result_for(which, refusal);
            return image_refusal_word(refusal);
        }
    }
    const struct model_place place = model_place_of(which, target->image.payload);
    if (model_read(&place, &target->model) != OS_OK) {
        *result = SOFTWARE_UNSUPPORTED;
        return "bad-model-header";
    }
    return "";
}

static void wrong_output(enum update_target which, const struct proof *proof)
{
    char sentence[96];
    struct text text = text_into(sentence, sizeof sentence);
    text_add(&text, "golden vector ");
    text_number(&text, proof->vector);
    text_add(&text, " differs at byte ");
    text_number(&text, proof->byte);
    give_up(which, "wrong-output", sentence, SOFTWARE_FAILED, proof);
}

void update_model_prove(enum update_target which, struct target *target, struct bench *bench)
{
    if (bench->user == NULL) {
        int result;
        const char *refusal = load(which, target, &result);
        if (*refusal) {
            give_up(which, "refused", refusal, result, NULL);
            return;
        }
        bench->user = target;
        proof_start(&bench->proof);
    }
    if (proof_step(&bench->proof, &target->model, &target->image)) {
        return;
    }
    bench->user = NULL;
    if (bench->proof.wrong) {
        wrong_output(which, &bench->proof);
        return;
    }
    target->work = WORK_NONE;
    target->loaded = true;
    update_report_store(&(struct update_outcome){.verdict = "passed",
                                                 .reason = "every golden vector came out as promised",
                                                 .result = SOFTWARE_INSTALLED,
                                                 .image = &target->image,
                                                 .proof = &bench->proof,
                                                 .instructions = clock_instructions(bench->proof.ticks)});
    update_store(which, UPDATE_INSTALLED, SOFTWARE_INSTALLED);
}

/* Everything at once, for a model that was installed before the last reset. */
static bool load_and_prove(enum update_target which, struct target *target)
{
    static struct proof proof;
    int result;
    const char *refusal = load(which, target, &result);
    if (*refusal) {
        give_up(which, "refused", refusal, result, NULL);
        return false;
    }
    proof_start(&proof);
    bool more = true;
    while (more) {
        watchdog_feed(); /* one vector is one piece: all of them together may take longer than it waits */
        more = proof_step(&proof, &target->model, &target->image);
    }
    if (proof.wrong) {
        wrong_output(which, &proof);
        return false;
    }
    target->loaded = true;
    return true;
}

static int choose(enum boot_model model)
{
    struct boot_record boot;
    boot_record_load(&boot);
    boot.model[os_system.slot] = (uint8_t)model;
    return boot_record_store(&boot);
}

const struct model *update_model_start(void)
{
    struct boot_record boot;
    boot_record_load(&boot);
    source = BOOT_BUILT_IN;
    enum boot_model chosen = (enum boot_model)boot.model[os_system.slot];
    if (chosen != BOOT_BUILT_IN) {
        enum update_target which = chosen == BOOT_MODEL_A ? UPDATE_MODEL_A : UPDATE_MODEL_B;
        struct target *target = update_target(which);
        if (target->record.state == UPDATE_INSTALLED && load_and_prove(which, target)) {
            source = chosen;
        } else {
            choose(BOOT_BUILT_IN);
        }
    }
    return update_model_running();
}

int update_activate(enum update_target which)
{
    struct target *target = update_target(which);
    if (which == UPDATE_FIRMWARE || target->record.state != UPDATE_INSTALLED || target->work != WORK_NONE) {
        return OS_STATE;
    }
    if (update_active(which)) {
        return OS_OK;
    }
    if (!target->loaded && !load_and_prove(which, target)) {
        return OS_DAMAGED;
    }
    int status = choose(source_of(which));
    if (status == OS_OK) {
        source = source_of(which);
        inference_use(&target->model);
    }
    return status;
}

int update_deactivate(enum update_target which)
{
    if (!update_active(which)) {
        return OS_STATE;
    }
    int status = choose(BOOT_BUILT_IN);
    if (status == OS_OK) {
        source = BOOT_BUILT_IN;
        inference_use(&os_system.built_in);
    }
    return status;
}

int update_uninstall(enum update_target which)
{
    struct target *target = update_target(which);
    if (which == UPDATE_FIRMWARE || update_active(which) || target->work != WORK_NONE) {
        return OS_STATE;
    }
    target->record.stored = 0;
    target->record.etag_length = 0;
    target->known = false;
    target->loaded = false;
    return update_store(which, UPDATE_IDLE, SOFTWARE_INITIAL);
}
