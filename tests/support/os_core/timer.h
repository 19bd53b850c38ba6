/* A timer that goes down by a few ticks each time it is read. */
#ifndef TIMER_H
#define TIMER_H

#include <stdint.h>

uint32_t timer_now(void);
uint32_t timer_since(uint32_t begin);

#endif
