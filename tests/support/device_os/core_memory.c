/* The core behind the network side, in memory: packages go to files of a folder, and what they begin with is the verdict.

   "BAD" is refused as damaged, "OTHER" as unsupported; any other package can be installed. State and URI are kept in
   files too, so that a new process goes on where the one before was killed. */
#define _POSIX_C_SOURCE 200809L
#include "core_memory.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/clock.h"
#include "core/device.h"
#include "core/inference.h"
#include "core/status.h"
#include "core/update.h"

#define SLOT_BYTES (1u << 20)
#define INPUT_BYTES 2000u
#define OF_LARGE_OUTPUT 0xFFu /* first byte of an input: as if the model's output outgrew what is kept of one */
#define REPORT_BYTES 3000u

struct slot {
    uint32_t state;
    uint32_t result;
    uint32_t active;
    uint32_t received;
    uint32_t etag_length;
    uint8_t etag[UPDATE_ETAG_BYTES];
    char uri[UPDATE_URI_BYTES + 1];
    uint8_t data[SLOT_BYTES];
};

static struct slot slots[UPDATE_TARGETS];
static const char *folder;
static uint32_t virtual_ms;
static bool virtual_clock;
static bool reset_requested;
static uint32_t reset_requested_at;
static uint32_t registrations;
static uint8_t output[4];
static uint32_t sequence;
static char report[REPORT_BYTES + 1];
static char *version; /* of the model that runs, where it lies; NULL: the firmware's own */

static void path_of(char *path, size_t size, uint32_t target)
{
    snprintf(path, size, "%s/slot-%u", folder, (unsigned)target);
}

static void keep(enum update_target target)
{
    char path[512];
    if (folder == NULL) {
        return;
    }
    path_of(path, sizeof path, target);
    FILE *file = fopen(path, "wb");
    const struct slot *slot = &slots[target];
    if (file == NULL || fwrite(slot, offsetof(struct slot, data) + slot->received, 1, file) != 1 || fclose(file) != 0) {
        abort();
    }
}

void core_memory_start(const char *where)
{
    folder = where;
    memset(report, 'r', REPORT_BYTES);
    for (uint32_t target = 0; folder != NULL && target < UPDATE_TARGETS; target++) {
        char path[512];
        path_of(path, sizeof path, target);
        FILE *file = fopen(path, "rb");
        if (file != NULL) {
            size_t got = fread(&slots[target], 1, sizeof slots[target], file);
            (void)got; /* as much as there is */
            fclose(file);
        }
    }
}

void core_memory_set_clock(uint32_t ms)
{
    virtual_clock = true;
    virtual_ms = ms;
}

bool core_memory_reset_requested(void)
{
    return reset_requested && clock_ms() - reset_requested_at >= 200; /* the answer gets out first */
}

void core_memory_clear(void)
{
    for (uint32_t target = 0; target < UPDATE_TARGETS; target++) {
        memset(&slots[target], 0, offsetof(struct slot, data));
    }
    reset_requested = false;
}

uint32_t clock_ms(void)
{
    struct timespec now;
    if (virtual_clock) {
        return virtual_ms;
    }
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint32_t)((uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000);
}

void os_request_reset(void)
{
    reset_requested = true;
    reset_requested_at = clock_ms();
}

void os_confirm_registered(void)
{
    registrations++;
}

int update_begin(enum update_target target, uint32_t size, const uint8_t *etag, uint32_t etag_length)
{
    struct slot *slot = &slots[target];
    if (size > SLOT_BYTES) {
        return OS_TOO_LARGE;
    }
    slot->state = UPDATE_RECEIVING;
    slot->result = target == UPDATE_FIRMWARE ? 0 : 1;
    slot->received = 0;
    slot->etag_length = etag_length;
    if (etag_length > 0) {
        memcpy(slot->etag, etag, etag_length);
    }
    keep(target);
    return OS_OK;
}

int update_resume_offset(enum update_target target, const uint8_t *etag, uint32_t etag_length, uint32_t *offset)
{
    const struct slot *slot = &slots[target];
    if (slot->state != UPDATE_RECEIVING || slot->etag_length != etag_length ||
        memcmp(slot->etag, etag, etag_length) != 0) {
        return OS_NOT_FOUND;
    }
    *offset = slot->received;
    return OS_OK;
}

int update_write(enum update_target target, uint32_t offset, const uint8_t *data, uint32_t length)
{
    struct slot *slot = &slots[target];
    if (slot->state != UPDATE_RECEIVING || offset != slot->received) {
        return OS_STATE;
    }
    if (length > SLOT_BYTES - slot->received) {
        return OS_TOO_LARGE;
    }
    if (length > 0) {
        memcpy(slot->data + offset, data, length);
    }
    slot->received += length;
    keep(target);
    return OS_OK;
}

int update_finish(enum update_target target)
{
    struct slot *slot = &slots[target];
    bool firmware = target == UPDATE_FIRMWARE;
    bool bad = slot->received >= 3 && memcmp(slot->data, "BAD", 3) == 0;
    bool other = slot->received >= 5 && memcmp(slot->data, "OTHER", 5) == 0;
    slot->state = bad || other ? UPDATE_IDLE : UPDATE_RECEIVED;
    slot->result = bad ? (firmware ? 5 : 53) : other ? (firmware ? 6 : 54) : firmware ? 0 : 3;
    keep(target);
    return OS_OK;
}

bool update_poll(void)
{
    return false;
}

uint32_t update_limit(enum update_target target)
{
    (void)target;
    return SLOT_BYTES;
}

enum update_state update_state_of(enum update_target target)
{
    return (enum update_state)slots[target].state;
}

bool update_verifying(enum update_target target)
{
    (void)target;
    return false;
}

int update_result_of(enum update_target target)
{
    return (int)slots[target].result;
}

int update_abort(enum update_target target, int result)
{
    struct slot *slot = &slots[target];
    slot->state = UPDATE_IDLE;
    slot->result = (uint32_t)result;
    slot->received = 0;
    slot->etag_length = 0;
    slot->uri[0] = '\0';
    keep(target);
    return OS_OK;
}

int update_install(enum update_target target)
{
    slots[target].state = target == UPDATE_FIRMWARE ? UPDATE_INSTALLING : UPDATE_INSTALLED;
    slots[target].result = target == UPDATE_FIRMWARE ? 0 : 2;
    if (target == UPDATE_FIRMWARE) {
        os_request_reset();
    }
    keep(target);
    return OS_OK;
}

/* Where another model's version is not read any more, as in a slot that takes the next package. */
static void run(bool a_slot)
{
    static const char of_slot[] = "2.0.0";
    free(version);
    version = a_slot ? malloc(sizeof of_slot) : NULL;
    if (version != NULL) {
        memcpy(version, of_slot, sizeof of_slot);
    }
}

int update_activate(enum update_target target)
{
    run(true);
    slots[UPDATE_MODEL_A].active = target == UPDATE_MODEL_A;
    slots[UPDATE_MODEL_B].active = target == UPDATE_MODEL_B;
    return OS_OK;
}

int update_deactivate(enum update_target target)
{
    slots[target].active = 0;
    run(false);
    return OS_OK;
}

int update_uninstall(enum update_target target)
{
    return update_abort(target, 0);
}

bool update_active(enum update_target target)
{
    return slots[target].active != 0;
}

int update_set_uri(enum update_target target, const char *uri, uint32_t length)
{
    struct slot *slot = &slots[target];
    if (length > UPDATE_URI_BYTES) {
        return OS_TOO_LARGE;
    }
    memcpy(slot->uri, uri, length);
    slot->uri[length] = '\0';
    if (length > 0) {
        slot->state = UPDATE_RECEIVING;
        slot->result = target == UPDATE_FIRMWARE ? 0 : 1;
    }
    keep(target);
    return OS_OK;
}

const char *update_uri(enum update_target target)
{
    return slots[target].uri;
}

const char *update_package_name(enum update_target target)
{
    return slots[target].state == UPDATE_INSTALLED ? "model" : "";
}

const char *update_package_version(enum update_target target)
{
    return slots[target].state == UPDATE_INSTALLED ? "2.0.0" : "";
}

const char *update_report_json(void)
{
    return report;
}

uint32_t update_report_length(void)
{
    return REPORT_BYTES;
}

const struct device_info *device_info(void)
{
    static struct device_info info = {
        .board = "host-os",
        .firmware_version = "1.0.0",
        .model_sha256 = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
        .abi = "ab",
        .model_source = "built-in",
        .reset_reason = "power-on",
        .arena_bytes = 1024,
        .instructions = 70000,
        .longest_gap_ticks = 300,
        .inference_ticks = 200,
        .free_stack = 4096,
    };
    info.model_version = version == NULL ? "1.0.0" : version;
    info.uptime_s = clock_ms() / 1000;
    info.inferences++;
    return &info;
}

int inference_submit(const uint8_t *input, uint32_t length)
{
    if (length != INPUT_BYTES) {
        return OS_ARGUMENT;
    }
    if (input[0] == OF_LARGE_OUTPUT) {
        return OS_TOO_LARGE;
    }
    memset(output, 0, sizeof output);
    for (uint32_t index = 0; index < length; index++) {
        output[index % sizeof output] = (uint8_t)(output[index % sizeof output] + input[index]);
    }
    sequence++;
    return OS_OK;
}

int inference_result(struct inference_result *result)
{
    *result = (struct inference_result){sizeof output, sequence, 70000, {0}};
    memcpy(result->output, output, sizeof output);
    return sequence > 0 ? OS_OK : OS_NOT_FOUND;
}

uint32_t inference_input_bytes(void)
{
    return INPUT_BYTES;
}
