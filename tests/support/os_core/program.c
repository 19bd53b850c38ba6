/* The core of the device OS as a Linux program, each life of the board a process of its own.
 *
 *   core deliver FLASH TARGET PACKAGE OUT    one package to a board; what came of it, as lines on the output, and in
 *                                            OUT its flash
 *   core power FLASH TARGET PACKAGE FIRST STEP SECOND
 *                                            the whole update again and again, power cut at operation FIRST, FIRST +
 *                                            STEP... and, when SECOND is not 0, once more some operations later
 *   core stage FLASH TARGET PACKAGE OUT      the flash at the first reset that the update asks for
 *   core learn FLASH SCRIPT OUT              one life that trains: see learn.c
 *   core learn-power FLASH SCRIPT FIRST STEP the same again and again, power cut at operation FIRST, FIRST + STEP...;
 *                                            in the life after that, what it found, and then what came of the script
 *   core starts                              the number of each start, for lines of the input: see tables.c
 *   core decide                              lines of the output for lines of the input: see tables.c
 *   core flash                               the same for operations of an erased flash: see tables.c
 *
 * TARGET is firmware, a or b. FLASH is a flash as it leaves manufacture; it is not changed. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "boot/boot_choose.h"
#include "core/boot_record.h"
#include "core/clock.h"
#include "core/device.h"
#include "core/flash.h"
#include "core/inference.h"
#include "core/network.h"
#include "core/os.h"
#include "core/update.h"
#include "core/update_model.h"
#include "core/watchdog.h"
#include "host.h"
#include "learn.h"
#include "lives.h"
#include "tables.h"

#define CHUNK 700u /* no multiple of anything in the flash */
#define TURNS 20000u
#define WORN_ON_TRIAL 1u
#define WORN_FOR_GOOD 2u

static const uint8_t etag[4] = {1, 2, 3, 4};

static struct {
    enum update_target target;
    uint8_t *package;
    uint32_t bytes;
    char version[IMAGE_VERSION_BYTES];
    bool deliver_only, mute;
    const char *script; /* of a life that trains, and is given nothing */
} plan;

static uint32_t turns, offset;
static bool begun;
uint8_t *life_template;
static bool network_is_up;

/* What a test has set in the environment. */
static uint32_t setting(const char *name, uint32_t otherwise)
{
    const char *text = getenv(name);
    return text == NULL ? otherwise : (uint32_t)strtoul(text, NULL, 10);
}

void fail(const char *what)
{
    fprintf(stderr, "%s\n", what);
    exit(2);
}

static uint8_t *read_file(const char *path, uint32_t *bytes)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL || fseek(file, 0, SEEK_END) != 0) {
        fail(path);
    }
    *bytes = (uint32_t)ftell(file);
    rewind(file);
    uint8_t *content = malloc(*bytes + 1);
    if (fread(content, 1, *bytes, file) != *bytes) {
        fail(path);
    }
    fclose(file);
    return content;
}

/* The first golden input, submitted to the model as it is after it was put aside and taken again. */
static void use_again(void)
{
    struct inference_result result;
    const struct model *model = update_model_running();
    if (update_deactivate(plan.target) != OS_OK || update_activate(plan.target) != OS_OK ||
        inference_submit(model->golden_inputs, model->all_input_bytes) != OS_OK) {
        fail("the model is not taken again");
    }
    inference_turn();
    if (inference_result(&result) != OS_OK) {
        fail("the model has no result");
    }
    printf("output ");
    for (uint32_t at = 0; at < result.length; at++) {
        printf("%02x", result.output[at]);
    }
    printf("\n");
}

static void finish(const char *how)
{
    const struct device_info *info = device_info();
    if (plan.deliver_only) {
        printf("%s\nstate %d\nresult %d\nfirmware %s\nsource %s\ninferences %s\nreport %.*s\n", how,
               (int)update_state_of(plan.target), update_result_of(plan.target), info->firmware_version,
               info->model_source, info->inferences > 10 ? "go on" : "stopped", (int)update_report_length(),
               update_report_json());
        if (update_active(plan.target)) {
            use_again();
        }
        fflush(stdout);
    }
    _exit(LIFE_DONE);
}

/* Begins the package, or goes on after a reset. */
static void begin(void)
{
    begun = true;
    if (update_resume_offset(plan.target, etag, sizeof etag, &offset) == OS_OK) {
        return;
    }
    offset = 0;
    if (update_begin(plan.target, plan.bytes, etag, sizeof etag) != OS_OK && plan.deliver_only) {
        finish("refused at the beginning");
    }
}

static void send_more(void)
{
    if (!begun) {
        begin();
    } else if (offset < plan.bytes) {
        uint32_t part = plan.bytes - offset < CHUNK ? plan.bytes - offset : CHUNK;
        int status = update_write(plan.target, offset, plan.package + offset, part);
        if (status != OS_OK && plan.deliver_only) {
            finish("refused while it came in");
        }
        offset += part;
    } else if (!update_verifying(plan.target)) {
        update_finish(plan.target);
    }
}

static bool updated(void)
{
    return plan.target == UPDATE_FIRMWARE
               ? strcmp(device_info()->firmware_version, plan.version) == 0 &&
                     update_state_of(UPDATE_FIRMWARE) == UPDATE_IDLE
               : update_active(plan.target);
}

/* The server's part: what to do next is read off the device, and never remembered over a reset. */
int network_start(const struct provisioning *page)
{
    static uint32_t tries;
    (void)page;
    network_is_up = ++tries > setting("CORE_NETWORK_FAILS", 0);
    return network_is_up ? OS_OK : OS_IO;
}

void network_poll(void)
{
    if (++turns > TURNS) {
        fail("the update does not end");
    }
    inference_turn(); /* the timer's interrupt */
    if (!network_is_up) {
        return;
    }
    if (plan.script != NULL) {
        turns = 0;
        return;
    }
    if (turns >= setting("CORE_REGISTERS_AT", 3) && !plan.mute) {
        os_confirm_registered();
    }
    if (turns < 20 && !plan.mute) {
        return;
    }
    if (updated()) {
        finish("updated");
    }
    switch (update_state_of(plan.target)) {
    case UPDATE_IDLE:
        if (plan.deliver_only && update_result_of(plan.target) != 0) {
            finish(begun ? "refused" : "given up");
        }
        begun = false;
        send_more();
        break;
    case UPDATE_RECEIVING:
        send_more();
        break;
    case UPDATE_RECEIVED:
        update_install(plan.target);
        break;
    case UPDATE_INSTALLED:
        update_activate(plan.target);
        break;
    default:
        break;
    }
}

bool network_idle(void)
{
    return true;
}

/* From reset to the end of this life. */
static void live(void)
{
    static struct provisioning page;
    struct handover before;
    struct image image;
    enum reset_reason why = handover_take(&before);
    host_worn = setting("CORE_WORN", 0) == WORN_FOR_GOOD;
    if (provisioning_read(flash_at(FLASH_PROVISIONING), FLASH_SECTOR, &page) != OS_OK) {
        fprintf(stderr, "no provisioning page\n");
        _exit(LIFE_HALTED);
    }
    uint8_t slot = boot_choose(&page, &before, &image);
    if (slot == BOOT_NONE) {
        fprintf(stderr, "no firmware can be started\n");
        _exit(LIFE_HALTED);
    }
    handover_start(slot, why, before.starts + 1);
    host_start_firmware(&image);
    struct boot_record record;
    boot_record_load(&record);
    if (setting("CORE_WORN", 0) == WORN_ON_TRIAL) {
        host_worn = record.pending == slot; /* the bootloader can write again */
    }
    os_start();
    if (plan.script != NULL) {
        learn_show_found();
        learn(plan.script);
        learn_show_found();
        fflush(stdout);
        _exit(LIFE_DONE);
    }
    for (;;) {
        watchdog_feed();
        os_turn();
    }
}

int one_life(void)
{
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        live();
    }
    int status;
    if (child < 0 || waitpid(child, &status, 0) < 0) {
        fail(strerror(errno));
    }
    int end = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    if (end == LIFE_CUT) {
        memset(&host_shared->handover, (int)host_shared->seed, sizeof host_shared->handover);
        host_shared->cut_at = 0;
    }
    return end;
}

static void map_memory(void)
{
    int protection = PROT_READ | PROT_WRITE, flags = MAP_SHARED | MAP_ANONYMOUS;
    host_flash = mmap(NULL, FLASH_BYTES, protection, flags, -1, 0);
    host_shared = mmap(NULL, sizeof *host_shared, protection, flags, -1, 0);
    if (host_flash == MAP_FAILED || host_shared == MAP_FAILED) {
        fail("there is no memory for the flash");
    }
}

static int keep_flash(const char *path)
{
    FILE *file = fopen(path, "wb");
    if (file == NULL || fwrite(host_flash, FLASH_BYTES, 1, file) != 1 || fclose(file) != 0) {
        fail(path);
    }
    return 0;
}

static int stage(const char *path)
{
    if (one_life() != LIFE_RESET) {
        fail("the update asked for no reset");
    }
    return keep_flash(path);
}

static void read_flash(const char *path)
{
    uint32_t bytes;
    life_template = read_file(path, &bytes);
    if (bytes != FLASH_BYTES) {
        fail("the flash has another size");
    }
    memcpy(host_flash, life_template, FLASH_BYTES);
}

static int train(int count, char **arguments)
{
    read_flash(arguments[2]);
    plan.script = arguments[3];
    if (count == 6) {
        return learn_power(strtoull(arguments[4], NULL, 10), strtoull(arguments[5], NULL, 10));
    }
    return one_life() == LIFE_DONE ? keep_flash(arguments[4]) : 1;
}

int main(int count, char **arguments)
{
    map_memory();
    if ((count == 5 && strcmp(arguments[1], "learn") == 0) ||
        (count == 6 && strcmp(arguments[1], "learn-power") == 0)) {
        return train(count, arguments);
    }
    if (count == 2 && strcmp(arguments[1], "decide") == 0) {
        return decide();
    }
    if (count == 2 && strcmp(arguments[1], "flash") == 0) {
        return operate();
    }
    if (count == 2 && strcmp(arguments[1], "starts") == 0) {
        return count_starts();
    }
    bool staged = count == 6 && strcmp(arguments[1], "stage") == 0;
    bool deliver = count == 6 && strcmp(arguments[1], "deliver") == 0;
    if (!deliver && !staged && !(count == 8 && strcmp(arguments[1], "power") == 0)) {
        fail("usage: core deliver FLASH TARGET PACKAGE OUT | core power FLASH TARGET PACKAGE FIRST STEP SECOND | "
             "core stage FLASH TARGET PACKAGE OUT | core decide");
    }
    read_flash(arguments[2]);
    plan.target = arguments[3][0] == 'f' ? UPDATE_FIRMWARE : arguments[3][0] == 'a' ? UPDATE_MODEL_A : UPDATE_MODEL_B;
    plan.package = read_file(arguments[4], &plan.bytes);
    plan.deliver_only = deliver;
    plan.mute = getenv("CORE_MUTE") != NULL;
    if (plan.bytes >= IMAGE_START_BYTES) {
        const uint8_t *start = plan.package;
        struct image_version version = {start[20], start[21], (uint16_t)(start[22] | start[23] << 8),
                                        start[24] | (uint32_t)start[25] << 8 | (uint32_t)start[26] << 16 |
                                            (uint32_t)start[27] << 24};
        image_version_text(&version, plan.version);
    }
    if (staged) {
        return stage(arguments[5]);
    }
    if (!deliver) {
        return power(strtoull(arguments[5], NULL, 10), strtoull(arguments[6], NULL, 10),
                     strtoull(arguments[7], NULL, 10));
    }
    for (int life = 1; life <= LIVES; life++) {
        int end = one_life();
        if (end == LIFE_DONE) {
            return keep_flash(arguments[5]);
        }
        printf("life %d ended with %s\n", life,
               end == LIFE_RESET ? "reset" : end == LIFE_WATCHDOG ? "watchdog" : "something else");
        if (end != LIFE_RESET && end != LIFE_WATCHDOG) {
            return 1;
        }
    }
    return 1;
}
