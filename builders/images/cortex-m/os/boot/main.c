/* The bootloader: chooses a firmware, verifies it, copies it to where it runs, and starts it under the watchdog. */
#include <stdint.h>

#include "board.h"
#include "boot/boot_choose.h"
#include "console.h"
#include "core/boot_record.h"
#include "core/bytes.h"
#include "core/flash.h"
#include "core/image.h"
#include "core/watchdog.h"
#include "uart.h"

#define VERSION "1"

static struct provisioning page;

static void halt(const char *why)
{
    console_text("boot: halted: ");
    console_text(why);
    console_text("\n");
    for (;;) {
        __asm__ volatile("wfi");
    }
}

static void start(const struct image *image)
{
    bytes_copy((void *)BOARD_EXEC, image->start + IMAGE_HEADER_BYTES, image->payload);
    const uint32_t *vectors = (const uint32_t *)BOARD_EXEC;
    *(volatile uint32_t *)0xE000ED08u = BOARD_EXEC; /* VTOR */
    __asm__ volatile("dsb\n"
                     "isb\n"
                     "msr msp, %0\n"
                     "bx %1\n" ::"r"(vectors[0]),
                     "r"(vectors[1]));
    __builtin_unreachable();
}

int main(void)
{
    uart_start();
    struct handover before;
    enum reset_reason why = handover_take(&before);
    if (provisioning_read(flash_at(FLASH_PROVISIONING), FLASH_SECTOR, &page) != OS_OK) {
        halt("no provisioning page");
    }
    struct image image;
    uint8_t slot = boot_choose(&page, &before, &image);
    if (slot == BOOT_NONE) {
        halt("no firmware can be started");
    }
    char version[IMAGE_VERSION_BYTES];
    image_version_text(&image.version, version);
    console_text("boot: loader " VERSION " starts firmware ");
    console_text(slot == 0 ? "a " : "b ");
    console_text(version);
    console_text("\n");
    handover_start(slot, why, before.starts + 1);
    watchdog_start();
    start(&image);
    return 0;
}
