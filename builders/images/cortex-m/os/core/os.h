/* The device's operating system: start, and one turn of its loop. */
#ifndef CORE_OS_H
#define CORE_OS_H

#include <stdbool.h>

/* Everything up to the first turn: identity, golden vectors, model, inference, network. */
void os_start(void);

/* One turn; true when there is more to do at once, false when the processor may sleep until an interrupt. */
bool os_turn(void);

#endif
