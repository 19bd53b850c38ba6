/* Bytes as numbers (little-endian), copied, filled and compared. */
#ifndef CORE_BYTES_H
#define CORE_BYTES_H

#include <stdbool.h>
#include <stdint.h>

static inline uint16_t bytes_u16(const uint8_t *from)
{
    return (uint16_t)(from[0] | from[1] << 8);
}

static inline uint32_t bytes_u32(const uint8_t *from)
{
    return from[0] | (uint32_t)from[1] << 8 | (uint32_t)from[2] << 16 | (uint32_t)from[3] << 24;
}

static inline void bytes_copy(void *to, const void *from, uint32_t count)
{
    __builtin_memcpy(to, from, count);
}

static inline void bytes_fill(void *to, int value, uint32_t count)
{
    __builtin_memset(to, value, count);
}

static inline bool bytes_equal(const void *left, const void *right, uint32_t count)
{
    return __builtin_memcmp(left, right, count) == 0;
}

static inline bool bytes_are(const uint8_t *from, uint8_t value, uint32_t count)
{
    for (uint32_t index = 0; index < count; index++) {
        if (from[index] != value) {
            return false;
        }
    }
    return true;
}

#endif
