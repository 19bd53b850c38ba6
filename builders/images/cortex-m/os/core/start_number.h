/* A number that no start of this device had before: the seed of its random numbers is always the same. */
#ifndef CORE_START_NUMBER_H
#define CORE_START_NUMBER_H

#include <stdint.h>

#include "core/status.h"

/* Counts, and stores the count before it may be used. */
enum os_status start_number_next(uint64_t *number);

#endif
