/* SysTick, a hundred times a second: an idle board under QEMU then takes half a percent of a core. */
#include "mps2/tick.h"

#include <stdint.h>

#include "board.h"

#define SYSTICK_CONTROL (*(volatile uint32_t *)0xE000E010u)
#define SYSTICK_RELOAD (*(volatile uint32_t *)0xE000E014u)
#define SYSTICK_VALUE (*(volatile uint32_t *)0xE000E018u)
#define ENABLED_WITH_INTERRUPT 7u
#define TICKS_PER_SECOND 100u

void tick_start(void)
{
    SYSTICK_RELOAD = BOARD_HZ / TICKS_PER_SECOND - 1u;
    SYSTICK_VALUE = 0;
    SYSTICK_CONTROL = ENABLED_WITH_INTERRUPT;
}
