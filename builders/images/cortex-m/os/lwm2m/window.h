/* A view of one block of a text that is never whole in memory: it is rendered anew for each block. */
#ifndef LWM2M_WINDOW_H
#define LWM2M_WINDOW_H

#include <stdint.h>

struct window {
    uint8_t *data; /* where the bytes from `start` on go; 0 with capacity 0: only count */
    uint32_t start;
    uint32_t capacity;
    uint32_t length;   /* bytes in `data` */
    uint32_t total;    /* bytes rendered */
    uint32_t checksum; /* over all of them (FNV-1a): tells whether a text changed between two blocks */
};

struct window window_of(uint8_t *data, uint32_t start, uint32_t capacity);
void window_put(struct window *window, const void *data, uint32_t length);
void window_put_byte(struct window *window, uint32_t byte);
void window_put_string(struct window *window, const char *text);
void window_put_decimal(struct window *window, int64_t value);
/* A finite number with six decimals: 0.125000; of one from 1e9 on, with an exponent: 3.400000e18. */
void window_put_float(struct window *window, float value);
/* The low `bytes` bytes, most significant first. */
void window_put_big_endian(struct window *window, uint64_t value, uint32_t bytes);

#endif
