/* A free-running counter at BOARD_HZ: Arm's CMSDK APB timer (chapter 4.1 of its manual). */
#ifndef TIMER_H
#define TIMER_H

#include <stdint.h>

#include "board.h"

#define TIMER_CONTROL (*(volatile uint32_t *)(BOARD_TIMER + 0x0u))
#define TIMER_VALUE (*(volatile uint32_t *)(BOARD_TIMER + 0x4u))
#define TIMER_RELOAD (*(volatile uint32_t *)(BOARD_TIMER + 0x8u))
#define TIMER_ENABLED 1u

static inline void timer_start(void)
{
    TIMER_RELOAD = UINT32_MAX;
    TIMER_VALUE = UINT32_MAX;
    TIMER_CONTROL = TIMER_ENABLED;
}

/* Ticks since timer_start, modulo 2^32: the hardware counts down. */
static inline uint32_t timer_ticks(void)
{
    return UINT32_MAX - TIMER_VALUE;
}

#endif
