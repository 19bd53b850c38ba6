/* The four functions that gcc may call in freestanding code. Compiled with -fno-tree-loop-distribute-patterns, or gcc
 * would recognise each loop as the function it is in. */
#include <stddef.h>
#include <stdint.h>

void *memcpy(void *restrict to, const void *restrict from, size_t count);
void *memmove(void *to, const void *from, size_t count);
void *memset(void *to, int value, size_t count);
int memcmp(const void *a, const void *b, size_t count);

void *memcpy(void *restrict to, const void *restrict from, size_t count)
{
    uint8_t *target = to;
    const uint8_t *source = from;
    for (; count >= sizeof(uint32_t); count -= sizeof(uint32_t)) {
        uint32_t word; /* of any address: these processors load and store unaligned words */
        __builtin_memcpy(&word, source, sizeof word);
        __builtin_memcpy(target, &word, sizeof word);
        source += sizeof word;
        target += sizeof word;
    }
    while (count--) {
        *target++ = *source++;
    }
    return to;
}

void *memmove(void *to, const void *from, size_t count)
{
    uint8_t *target = to;
    const uint8_t *source = from;
    uint32_t word;
    if (target < source) {
        for (; count >= sizeof word; count -= sizeof word) {
            __builtin_memcpy(&word, source, sizeof word); /* read before any of it is written over */
            __builtin_memcpy(target, &word, sizeof word);
            source += sizeof word;
            target += sizeof word;
        }
        while (count--) {
            *target++ = *source++;
        }
        return to;
    }
    while (count >= sizeof word) {
        count -= sizeof word;
        __builtin_memcpy(&word, source + count, sizeof word);
        __builtin_memcpy(target + count, &word, sizeof word);
    }
    while (count--) {
        target[count] = source[count];
    }
    return to;
}

void *memset(void *to, int value, size_t count)
{
    uint8_t *target = to;
    const uint32_t word = (uint8_t)value * 0x01010101u;
    for (; count >= sizeof word; count -= sizeof word) {
        __builtin_memcpy(target, &word, sizeof word);
        target += sizeof word;
    }
    while (count--) {
        *target++ = (uint8_t)value;
    }
    return to;
}

int memcmp(const void *a, const void *b, size_t count)
{
    const uint8_t *left = a;
    const uint8_t *right = b;
    for (; count--; left++, right++) {
        if (*left != *right) {
            return *left - *right;
        }
    }
    return 0;
}
