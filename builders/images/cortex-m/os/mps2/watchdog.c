/* Driver of Arm's CMSDK APB watchdog (its manual, chapter 4.4): at zero a non-maskable interrupt, at the second zero a
 * reset. */
#include "core/watchdog.h"

#include <stdint.h>

#include "board.h"

#define WATCHDOG_LOAD (*(volatile uint32_t *)(BOARD_WATCHDOG + 0x0u))
#define WATCHDOG_CONTROL (*(volatile uint32_t *)(BOARD_WATCHDOG + 0x8u))
#define WATCHDOG_CLEAR (*(volatile uint32_t *)(BOARD_WATCHDOG + 0xCu))
#define WATCHDOG_LOCK (*(volatile uint32_t *)(BOARD_WATCHDOG + 0xC00u))

#define UNLOCK 0x1ACCE551u
#define INTERRUPT_AND_RESET 3u

/* Longer than anything that is done in one piece, even on an emulator that is kept waiting. */
#define SECONDS 8u

void watchdog_start(void)
{
    WATCHDOG_LOCK = UNLOCK;
    WATCHDOG_LOAD = SECONDS * BOARD_HZ;
    WATCHDOG_CONTROL = INTERRUPT_AND_RESET;
    WATCHDOG_LOCK = 0;
}

void watchdog_feed(void)
{
    WATCHDOG_LOCK = UNLOCK;
    WATCHDOG_CLEAR = 1;
    WATCHDOG_LOCK = 0;
}
