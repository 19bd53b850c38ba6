/* Time since the start, and the end of it. */
#ifndef CORE_CLOCK_H
#define CORE_CLOCK_H

#include <stdint.h>

/* Once, before any other of these. */
void clock_start(void);

/* Milliseconds since the start; wraps after 49 days: compare differences only. */
uint32_t clock_ms(void);

/* How many instructions these ticks of the timer are; 0 when the clock does not count instructions. */
uint32_t clock_instructions(uint32_t ticks);

/* Reset once what is being written is written; returns. */
void os_request_reset(void);

/* The device is registered at its server: one half of what confirms a new firmware. */
void os_confirm_registered(void);

#endif
