/* The clock over the free-running timer, which wraps after 171 seconds: the loop asks far more often. */
#include "core/clock.h"

#include <stdbool.h>

#include "board.h"
#include "timer.h"

#define TICKS_PER_MS (BOARD_HZ / 1000u)
#define NANOSECONDS 1000000000u
#define LOOPS 20000u
#define LOOP_INSTRUCTIONS (2u * LOOPS)
#define TOLERANCE_TICKS 2u

static uint32_t last, milliseconds;
static bool counts_instructions;

/* Ticks of a loop of LOOP_INSTRUCTIONS instructions. */
static uint32_t measure(void)
{
    uint32_t begin = timer_now(), count = LOOPS;
    __asm__ volatile("1: subs %0, #1\n"
                     "bne 1b\n"
                     : "+l"(count)
                     :
                     : "cc");
    return timer_since(begin);
}

/* Under QEMU with -icount shift=0 an instruction takes a nanosecond, and then ticks are a count of instructions. */
static bool exact(void)
{
    uint32_t expected = LOOP_INSTRUCTIONS / (NANOSECONDS / BOARD_HZ), found = measure();
    return found >= expected && found - expected <= TOLERANCE_TICKS;
}

void clock_start(void)
{
    timer_start();
    counts_instructions = exact() && exact();
    last = timer_now();
    milliseconds = 0;
}

uint32_t clock_ms(void)
{
    uint32_t passed = timer_since(last) / TICKS_PER_MS;
    last -= passed * TICKS_PER_MS; /* the timer counts down */
    milliseconds += passed;
    return milliseconds;
}

uint32_t clock_instructions(uint32_t ticks)
{
    return counts_instructions ? ticks * (NANOSECONDS / BOARD_HZ) : 0;
}
