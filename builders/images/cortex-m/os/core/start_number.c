/* Where the count cannot be read any more, it goes on in the upper half of the numbers, from what is left of the record. */
#include "core/start_number.h"

#include "core/flash.h"
#include "core/record.h"

#define FNV_BASIS 14695981039346656037u
#define FNV_PRIME 1099511628211u
#define UPPER_HALF ((uint64_t)1 << 63)

/* The same only when the same bytes were damaged in the same way. */
static uint64_t remains(void)
{
    const uint8_t *bytes = flash_at(FLASH_STARTS);
    uint64_t hash = FNV_BASIS;
    for (uint32_t at = 0; at < 2 * FLASH_SECTOR; at++) {
        hash = (hash ^ bytes[at]) * FNV_PRIME;
    }
    return hash | UPPER_HALF;
}

enum os_status start_number_next(uint64_t *number)
{
    if (record_load(FLASH_STARTS, number, sizeof *number) != OS_OK) {
        *number = record_is_new(FLASH_STARTS) ? 0 : remains();
    }
    ++*number;
    return record_store(FLASH_STARTS, number, sizeof *number);
}
