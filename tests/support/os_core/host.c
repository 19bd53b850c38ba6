/* What mps2/ is for the boards: the ports of the core. A model of this board computes input XOR the first byte of its
 * sha256 XOR its state, which counts inferences from what a reset makes it; one whose version begins with "wrong" differs in its second output byte, with "hang" it never returns,
 * and with "slow" it takes so long that the watchdog has to be fed between any three inferences. */
#include "host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "board.h"
#include "console.h"
#include "core/built_in.h"
#include "core/clock.h"
#include "core/flash_map.h"
#include "core/flash_port.h"
#include "core/handover_port.h"
#include "core/inference_port.h"
#include "core/model_port.h"
#include "core/system_port.h"
#include "core/watchdog.h"
#include "report.h"
#include "stack.h"
#include "timer.h"

struct shared *host_shared;
uint8_t *host_flash;
bool host_worn;

#define WATCHDOG_MS 8000u
#define SLOW_MS 3000u

static uint8_t ram[BOARD_RAM_END - BOARD_RAM], windows[2][BOARD_WINDOW_BYTES];
static const uint8_t *firmware;
static uint8_t states[3]; /* of the built-in model and of those of the slots */
static uint32_t firmware_bytes, now_ms, now_ticks, unfed_ms;

static uint64_t random_next(void)
{
    uint64_t value = host_shared->seed += 0x9E3779B97F4A7C15u; /* SplitMix64 */
    value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9u;
    value = (value ^ value >> 27) * 0x94D049BB133111EBu;
    return value ^ value >> 31;
}

static bool power_is_lost(uint32_t offset)
{
    uint32_t sector = offset / FLASH_SECTOR * FLASH_SECTOR;
    if (host_shared->touched == 0 || host_shared->sectors[host_shared->touched - 1] != sector) {
        if (host_shared->touched == sizeof host_shared->sectors / sizeof host_shared->sectors[0]) {
            abort();
        }
        host_shared->sectors[host_shared->touched++] = sector;
    }
    return ++host_shared->operations == host_shared->cut_at;
}

const uint8_t *flash_port_base(void)
{
    return host_flash;
}

void flash_port_erase(uint32_t offset)
{
    if (power_is_lost(offset)) {
        for (uint32_t at = 0; at < FLASH_SECTOR; at++) {
            host_flash[offset + at] |= (uint8_t)random_next(); /* some bits of some bytes are erased already */
        }
        _exit(LIFE_CUT);
    }
    memset(host_flash + offset, 0xFF, FLASH_SECTOR);
}

void flash_port_program(uint32_t offset, const uint8_t *data)
{
    if (host_worn && offset - FLASH_BOOT_RECORD < 2 * FLASH_SECTOR) {
        return;
    }
    bool lost = power_is_lost(offset);
    for (uint32_t at = 0; at < FLASH_GRANULE; at++) {
        host_flash[offset + at] &= (uint8_t)(data[at] | (lost ? random_next() : 0));
    }
    if (lost) {
        _exit(LIFE_CUT);
    }
}

struct handover *handover_words(void)
{
    return &host_shared->handover;
}

void host_start_firmware(const struct image *image)
{
    firmware = image->start + IMAGE_HEADER_BYTES;
    firmware_bytes = image->payload;
}

/* Where the model's header is in the firmware, which may be one for a real board: its code has the magic too. */
static uint32_t find_header(void)
{
    for (uint32_t at = 0; at + sizeof(struct model_image) <= firmware_bytes; at += 16) {
        const struct model_image *image = (const void *)(firmware + at);
        if (image->magic == MODEL_IMAGE_MAGIC && image->header_bytes == sizeof *image && image->data_start == 0 &&
            image->bss_end == 0) {
            return at;
        }
    }
    system_port_halt("the firmware has no model");
}

struct model_place built_in_place(void)
{
    return (struct model_place){BOARD_EXEC + find_header(), BOARD_EXEC, BOARD_EXEC + firmware_bytes, BOARD_RAM,
                                BOARD_RAM_END};
}

const uint8_t *built_in_abi(void)
{
    return ((const struct model_image *)(const void *)(firmware + find_header()))->abi;
}

void *model_port_memory(uint32_t address)
{
    if (address >= BOARD_FLASH && address <= BOARD_FLASH + FLASH_BYTES) {
        return host_flash + (address - BOARD_FLASH);
    }
    if (address >= BOARD_EXEC && address <= BOARD_EXEC + firmware_bytes) {
        return (uint8_t *)(uintptr_t)firmware + (address - BOARD_EXEC);
    }
    if (address >= BOARD_RAM && address <= BOARD_RAM_END) {
        return ram + (address - BOARD_RAM);
    }
    if (address >= BOARD_WINDOW_A && address < BOARD_WINDOW_B) {
        return windows[0] + (address - BOARD_WINDOW_A);
    }
    if (address >= BOARD_WINDOW_B && address <= BOARD_WINDOW_B + BOARD_WINDOW_BYTES) {
        return windows[1] + (address - BOARD_WINDOW_B);
    }
    fprintf(stderr, "the core asked for memory at %08x\n", (unsigned)address);
    abort();
}

static uint8_t *state_of(const struct model *model)
{
    uintptr_t output = (uintptr_t)model->output[0], first = (uintptr_t)windows[0], second = (uintptr_t)windows[1];
    return &states[output - first < sizeof windows[0] ? 1 : output - second < sizeof windows[1] ? 2 : 0];
}

void model_port_reset(const struct model *model)
{
    *state_of(model) = FIRST_STATE;
}

void model_port_invoke(const struct model *model)
{
    if (strncmp(model->version, "slow", 4) == 0) {
        unfed_ms += SLOW_MS;
    }
    if (unfed_ms > WATCHDOG_MS || strncmp(model->version, "hang", 4) == 0) {
        _exit(LIFE_WATCHDOG);
    }
    uint8_t *output = (uint8_t *)(uintptr_t)model->output[0];
    for (uint32_t at = 0; at < model->output_bytes[0]; at++) {
        output[at] = model->input[0][at] ^ model->sha256[0] ^ *state_of(model);
    }
    for (uint32_t at = 0; at < model->head.feature_count; at++) {
        ((int8_t *)(uintptr_t)model->head.features)[at] = (int8_t)(model->input[0][at % model->input_bytes[0]] + 3 * at);
    }
    ++*state_of(model);
    if (strncmp(model->version, "wrong", 5) == 0) {
        output[1] ^= 1;
    }
}

void watchdog_feed(void)
{
    unfed_ms = 0;
}

void inference_port_start(void)
{
}

void system_port_reset(void)
{
    handover_announce(RESET_SOFTWARE, 0, 0);
    _exit(LIFE_RESET);
}

void system_port_halt(const char *why)
{
    fprintf(stderr, "halted: %s\n", why);
    _exit(LIFE_HALTED);
}

void clock_start(void)
{
}

/* Ten milliseconds pass in each turn of the loop, which asks once at least. */
uint32_t clock_ms(void)
{
    return now_ms += 5;
}

uint32_t clock_instructions(uint32_t ticks)
{
    (void)ticks;
    return 0;
}

uint32_t timer_now(void)
{
    return now_ticks -= 7;
}

uint32_t timer_since(uint32_t begin)
{
    return begin - timer_now();
}

void stack_paint(void)
{
}

uint32_t stack_used(void)
{
    return 0;
}

/* The console is silent: what a test looks at is asked for. */
void console_text(const char *text)
{
    (void)text;
}

void report_boot(uint32_t vectors)
{
    (void)vectors;
}

void report_golden_start(uint32_t index, uint32_t ticks)
{
    (void)index;
    (void)ticks;
}

void report_golden_output(const uint8_t *bytes, uint32_t count)
{
    (void)bytes;
    (void)count;
}

void report_golden_end(void)
{
}

void report_ready(uint32_t vectors, uint32_t arena, uint32_t stack)
{
    (void)vectors;
    (void)arena;
    (void)stack;
}
