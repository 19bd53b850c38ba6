/* The state machine of updates. Every change is one record, written before what it says can be seen. */
#include "core/update.h"

#include <stddef.h>

#include "board.h"
#include "core/bytes.h"
#include "core/clock.h"
#include "core/flash.h"
#include "core/record.h"
#include "core/target.h"
#include "core/text.h"
#include "core/trial.h"
#include "core/update_model.h"
#include "core/update_report.h"
#include "core/update_result.h"
#include "core/update_start.h"

#define HASH_SLICE 8192u /* bytes in one turn of the loop: a third of a million instructions */

static struct target targets[UPDATE_TARGETS];
static struct bench bench;

struct target *update_target(enum update_target which)
{
    return &targets[which];
}

static bool is_model(enum update_target which)
{
    return which != UPDATE_FIRMWARE;
}

static uint32_t record_offset(enum update_target which)
{
    return FLASH_UPDATE_RECORDS + (uint32_t)which * 2u * FLASH_SECTOR;
}

int update_store(enum update_target which, enum update_state state, int result)
{
    struct target_record *record = &targets[which].record;
    record->state = (uint8_t)state;
    record->result = (uint8_t)result;
    return record_store(record_offset(which), record, sizeof *record);
}

static void place(enum update_target which)
{
    static const uint32_t slots[UPDATE_TARGETS] = {0, FLASH_MODEL_A, FLASH_MODEL_B};
    static const uint32_t marks[UPDATE_TARGETS] = {FLASH_MARKS_FIRMWARE, FLASH_MARKS_MODEL_A, FLASH_MARKS_MODEL_B};
    struct target *target = &targets[which];
    uint8_t spare = os_system.slot ^ 1u;
    target->package.slot = is_model(which) ? slots[which] : spare == 0 ? FLASH_FIRMWARE_A : FLASH_FIRMWARE_B;
    target->package.limit = update_limit(which);
    target->package.marks = marks[which];
}

/* Name and version of a package that was verified before the reset; before it is used, it is verified anew. */
static void show(enum update_target which)
{
    struct target *target = &targets[which];
    struct image_demand demand;
    struct image image;
    update_demand(which, &demand);
    if (target->record.stored != 0 && image_read_verified(&image, flash_at(target->package.slot),
                                                          target->record.stored, &demand) == IMAGE_ACCEPTED) {
        update_describe(target, &image);
        target->known = false;
    }
}

void update_start(void)
{
    bench.user = NULL;
    for (uint32_t which = 0; which < UPDATE_TARGETS; which++) {
        struct target *target = &targets[which];
        bytes_fill(target, 0, sizeof *target);
        if (record_load(record_offset((enum update_target)which), &target->record, sizeof target->record) != OS_OK) {
            bytes_fill(&target->record, 0, sizeof target->record);
        }
        place((enum update_target)which);
        if (target->record.state == UPDATE_RECEIVING) {
            package_recover(&target->package);
        } else {
            target->package.received = target->record.stored;
            show((enum update_target)which);
        }
    }
    trial_resume(&targets[UPDATE_FIRMWARE]);
}

uint32_t update_limit(enum update_target which)
{
    return is_model(which) ? FLASH_MODEL_BYTES : FLASH_FIRMWARE_BYTES;
}

static void forget_image(struct target *target)
{
    target->known = false;
    target->loaded = false;
    target->name[0] = '\0';
    target->version[0] = '\0';
}

static int drop(enum update_target which, enum update_state state, int result)
{
    struct target *target = &targets[which];
    if (bench.user == target) {
        bench.user = NULL;
    }
    target->work = WORK_NONE;
    if (state == UPDATE_IDLE) {
        forget_image(target);
        target->record.stored = 0;
        target->record.etag_length = 0;
        target->package.received = 0;
        target->package.filled = 0;
    }
    return update_store(which, state, result);
}

/* The package is not taken: its report says why. */
static void refuse(enum update_target which, enum image_refusal refusal)
{
    char sentence[96];
    struct text text = text_into(sentence, sizeof sentence);
    text_add(&text, image_refusal_word(refusal));
    text_add(&text, ": the package for ");
    text_add(&text, is_model(which) ? "a model slot" : "the firmware");
    text_add(&text, " was refused");
    int result = update_result_for(which, refusal);
    update_report_store(&(struct update_outcome){.verdict = "refused", .reason = sentence, .result = result});
    drop(which, UPDATE_IDLE, result);
}

/* A firmware on trial needs the one in the other slot to go back to. */
static bool open_for_package(enum update_target which)
{
    const struct target *target = &targets[which];
    return !update_active(which) && target->work == WORK_NONE && target->record.state != UPDATE_INSTALLING &&
           (is_model(which) || !os_system.on_trial);
}

static int receiving_result(enum update_target which)
{
    return is_model(which) ? SOFTWARE_DOWNLOADING : FIRMWARE_INITIAL;
}

int update_begin(enum update_target which, uint32_t size, const uint8_t *etag, uint32_t etag_length)
{
    struct target *target = &targets[which];
    if (!open_for_package(which)) {
        return OS_STATE;
    }
    if (etag_length > UPDATE_ETAG_BYTES) {
        return OS_ARGUMENT;
    }
    if (size > update_limit(which)) {
        refuse(which, IMAGE_TOO_LARGE);
        return OS_TOO_LARGE;
    }
    int status = is_model(which) ? OS_OK : trial_empty_slot();
    if (status == OS_OK) {
        status = package_clear(&target->package);
    }
    if (status != OS_OK) {
        return status;
    }
    forget_image(target);
    struct target_record *record = &target->record;
    record->slot = os_system.slot ^ 1u;
    record->announced = size;
    record->stored = 0;
    record->etag_length = (uint8_t)etag_length;
    bytes_copy(record->etag, etag, etag_length);
    return update_store(which, UPDATE_RECEIVING, receiving_result(which));
}

int update_resume_offset(enum update_target which, const uint8_t *etag, uint32_t etag_length, uint32_t *offset)
{
    const struct target *target = &targets[which];
    const struct target_record *record = &target->record;
    if (record->state != UPDATE_RECEIVING || target->work != WORK_NONE || etag_length == 0 ||
        record->etag_length != etag_length || !bytes_equal(record->etag, etag, etag_length)) {
        return OS_NOT_FOUND;
    }
    *offset = target->package.received;
    return OS_OK;
}

int update_write(enum update_target which, uint32_t offset, const uint8_t *data, uint32_t length)
{
    struct target *target = &targets[which];
    struct package *package = &target->package;
    if (target->record.state != UPDATE_RECEIVING || target->work != WORK_NONE) {
        return OS_STATE;
    }
    if (offset != package->received) {
        return OS_ARGUMENT;
    }
    uint32_t before = package->received;
    int status = package_write(package, data, length);
    if (status == OS_TOO_LARGE) {
        refuse(which, IMAGE_TOO_LARGE);
    } else if (status != OS_OK) {
        drop(which, UPDATE_IDLE, is_model(which) ? SOFTWARE_DEVICE_ERROR : FIRMWARE_FAILED);
    } else if (before < IMAGE_START_BYTES && package->received >= IMAGE_START_BYTES) {
        enum image_refusal refusal = image_check_start(flash_at(package->slot), package->limit);
        if (refusal != IMAGE_ACCEPTED) {
            refuse(which, refusal);
            return refusal == IMAGE_TOO_LARGE ? OS_TOO_LARGE : OS_DAMAGED;
        }
    }
    return status;
}

int update_finish(enum update_target which)
{
    struct target *target = &targets[which];
    if (target->record.state != UPDATE_RECEIVING || target->work != WORK_NONE) {
        return OS_STATE;
    }
    int status = package_end(&target->package);
    if (status == OS_OK) {
        target->work = WORK_VERIFY;
    }
    return status;
}

void update_demand(enum update_target which, struct image_demand *demand)
{
    struct boot_record boot;
    boot_record_load(&boot);
    uint32_t counter = boot.security_counter, own = os_system.image.security_counter;
    if (!os_system.on_trial && own > counter) {
        counter = own; /* also where the record could not be written */
    }
    *demand = (struct image_demand){
        .kind = is_model(which) ? IMAGE_MODEL : IMAGE_FIRMWARE,
        .board = BOARD_NAME,
        .signing_key = os_system.page.signing_key,
        .abi = os_system.abi,
        .slot = which == UPDATE_MODEL_B,
        .security_counter = counter,
    };
}

void update_describe(struct target *target, const struct image *image)
{
    target->image = *image;
    target->known = true;
    image_version_text(&image->version, target->version);
    struct text name = text_into(target->name, sizeof target->name);
    text_hex(&name, image->model_sha256, IMAGE_HASH_BYTES);
}

/* One slice of a verification. */
static void verify_some(enum update_target which)
{
    static struct image_demand demand;
    struct target *target = &targets[which];
    enum image_refusal refusal = IMAGE_ACCEPTED;
    if (bench.user == NULL) {
        bench.user = target;
        update_demand(which, &demand);
        uint32_t received = target->package.received, announced = target->record.announced;
        refusal = announced != 0 && announced != received
                      ? IMAGE_TRUNCATED
                      : image_open(&bench.check, flash_at(target->package.slot), received, &demand);
    } else if (image_hash_some(&bench.check, HASH_SLICE)) {
        refusal = image_close(&bench.check);
        if (refusal == IMAGE_ACCEPTED) {
            update_describe(target, &bench.check.image);
            target->record.stored = target->package.received;
            drop(which, UPDATE_RECEIVED, update_result_for(which, IMAGE_ACCEPTED));
        }
    }
    if (refusal != IMAGE_ACCEPTED) {
        refuse(which, refusal);
    }
}

bool update_poll(void)
{
    bool busy = false;
    for (uint32_t index = 0; index < UPDATE_TARGETS; index++) {
        enum update_target which = (enum update_target)index;
        struct target *target = &targets[which];
        if (target->work != WORK_NONE && (bench.user == NULL || bench.user == target)) {
            if (target->work == WORK_VERIFY) {
                verify_some(which);
            } else {
                update_model_prove(which, target, &bench);
            }
            busy = true;
        }
    }
    trial_poll(&targets[UPDATE_FIRMWARE]);
    return busy;
}

enum update_state update_state_of(enum update_target which)
{
    const struct target *target = &targets[which];
    return target->work == WORK_PROVE ? UPDATE_INSTALLING : (enum update_state)target->record.state;
}

bool update_verifying(enum update_target which)
{
    return targets[which].work == WORK_VERIFY;
}

int update_result_of(enum update_target which)
{
    return targets[which].record.result;
}

int update_abort(enum update_target which, int result)
{
    struct target *target = &targets[which];
    if (!is_model(which) && target->record.state == UPDATE_INSTALLING) {
        return OS_STATE;
    }
    return drop(which, target->record.state == UPDATE_INSTALLED ? UPDATE_INSTALLED : UPDATE_IDLE, result);
}

int update_install(enum update_target which)
{
    struct target *target = &targets[which];
    if (target->record.state != UPDATE_RECEIVED || target->work != WORK_NONE) {
        return OS_STATE;
    }
    if (is_model(which)) {
        target->work = WORK_PROVE;
        return OS_OK;
    }
    int status = update_store(which, UPDATE_INSTALLING, FIRMWARE_INITIAL);
    return status == OS_OK ? trial_begin(target->record.slot) : status;
}

int update_set_uri(enum update_target which, const char *uri, uint32_t length)
{
    struct target *target = &targets[which];
    struct target_record *record = &target->record;
    if (length > UPDATE_URI_BYTES) {
        return OS_ARGUMENT;
    }
    if (length != 0 && !open_for_package(which)) {
        return OS_STATE;
    }
    bytes_copy(record->uri, uri, length);
    record->uri[length] = '\0';
    if (length == 0) {
        return record_store(record_offset(which), record, sizeof *record);
    }
    if (record->state != UPDATE_RECEIVING) { /* what the slot holds is not a part of what is to come */
        forget_image(target);
        record->etag_length = 0;
        record->stored = 0;
        target->package.received = 0;
        target->package.filled = 0;
    }
    return update_store(which, UPDATE_RECEIVING, receiving_result(which));
}

const char *update_uri(enum update_target which)
{
    return targets[which].record.uri;
}

static bool shown(const struct target *target)
{
    return target->record.state == UPDATE_RECEIVED || target->record.state == UPDATE_INSTALLED;
}

/* Object 5 shows the running firmware when it has no package, so that a server sees which one it is. */
const char *update_package_name(enum update_target which)
{
    if (!is_model(which) && !shown(&targets[which])) {
        return BOARD_NAME;
    }
    return shown(&targets[which]) ? targets[which].name : "";
}

const char *update_package_version(enum update_target which)
{
    if (!is_model(which) && !shown(&targets[which])) {
        return os_system.version;
    }
    return shown(&targets[which]) ? targets[which].version : "";
}
