/* The board `host`: the firmware as a Linux program, for quick tests. It replaces uart.c, stack.c, startup.c and
 * memory.c; the UART is the standard output, a tick is a nanosecond. */
#define _POSIX_C_SOURCE 199309L

#include <stdio.h>
#include <time.h>

#include "stack.h"
#include "timer.h"
#include "uart.h"

void uart_start(void)
{
}

void uart_put(char letter)
{
    putchar(letter);
}

void stack_paint(void)
{
}

/* Linux grows the stack; how far is not measured. */
uint32_t stack_used(void)
{
    return 0;
}

void timer_start(void)
{
}

uint32_t timer_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint32_t)((uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec);
}

uint32_t timer_since(uint32_t begin)
{
    return timer_now() - begin;
}

uint32_t timer_between(uint32_t begin, uint32_t end)
{
    return end - begin;
}
