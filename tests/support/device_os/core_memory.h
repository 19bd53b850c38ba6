/* Controls of the core in memory: for the test program and the fuzzer. */
#ifndef CORE_MEMORY_H
#define CORE_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

/* Keep the slots in this folder; NULL: nowhere. */
void core_memory_start(const char *folder);

/* From now on the clock stands at `ms`. */
void core_memory_set_clock(uint32_t ms);

bool core_memory_reset_requested(void);

/* Empty slots. */
void core_memory_clear(void);

#endif
