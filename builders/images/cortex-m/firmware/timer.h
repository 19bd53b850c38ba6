/* A free-running counter at BOARD_HZ: Arm's CMSDK APB timer (chapter 4.1 of its manual), or the processor's SysTick.
 * The board `host` brings its own (boards/host). */
#ifndef TIMER_H
#define TIMER_H

#include <stdint.h>

#include "board.h"

#if defined(BOARD_TIMER_IS_HOST)

void timer_start(void);
uint32_t timer_now(void);
uint32_t timer_since(uint32_t begin);
uint32_t timer_between(uint32_t begin, uint32_t end);

#else

#if defined(BOARD_TIMER_IS_SYSTICK)

#define TIMER_CONTROL (*(volatile uint32_t *)(BOARD_TIMER + 0x0u))
#define TIMER_RELOAD (*(volatile uint32_t *)(BOARD_TIMER + 0x4u))
#define TIMER_VALUE (*(volatile uint32_t *)(BOARD_TIMER + 0x8u))
#define TIMER_ENABLED 5u /* counting, at the processor's clock */
#define TIMER_MASK 0x00FFFFFFu

#else

#define TIMER_CONTROL (*(volatile uint32_t *)(BOARD_TIMER + 0x0u))
#define TIMER_VALUE (*(volatile uint32_t *)(BOARD_TIMER + 0x4u))
#define TIMER_RELOAD (*(volatile uint32_t *)(BOARD_TIMER + 0x8u))
#define TIMER_ENABLED 1u
#define TIMER_MASK UINT32_MAX

#endif

static inline void timer_start(void)
{
    TIMER_RELOAD = TIMER_MASK;
    TIMER_VALUE = TIMER_MASK;
    TIMER_CONTROL = TIMER_ENABLED;
}

/* The counter now; it goes down. */
static inline uint32_t timer_now(void)
{
    return TIMER_VALUE;
}

/* Ticks from one value of timer_now to a later one, modulo TIMER_MASK + 1: SysTick wraps after 2^24. */
static inline uint32_t timer_between(uint32_t begin, uint32_t end)
{
    return (begin - end) & TIMER_MASK;
}

static inline uint32_t timer_since(uint32_t begin)
{
    return timer_between(begin, TIMER_VALUE);
}

#endif
#endif
