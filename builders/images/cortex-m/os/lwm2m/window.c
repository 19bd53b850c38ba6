/* A view of one block of a rendered text. */
#include "lwm2m/window.h"

#include <string.h>

#define FNV_BASIS 2166136261u
#define FNV_PRIME 16777619u
#define FLOAT_UNIT 1000000u
#define FLOAT_HUGE 1e9f /* fits an integer below it */
#define FLOAT_HUGE_DIGITS 9u
#define DECIMAL_BYTES 20u /* of a 64-bit integer with its sign */

struct window window_of(uint8_t *data, uint32_t start, uint32_t capacity)
{
    return (struct window){.data = data, .start = start, .capacity = capacity, .checksum = FNV_BASIS};
}

void window_put(struct window *window, const void *data, uint32_t length)
{
    const uint8_t *bytes = data;
    for (uint32_t index = 0; index < length; index++) {
        window->checksum = (window->checksum ^ bytes[index]) * FNV_PRIME;
    }
    uint32_t from = window->total < window->start ? window->start - window->total : 0;
    if (from < length && window->length < window->capacity) {
        uint32_t left = window->capacity - window->length;
        uint32_t count = length - from < left ? length - from : left;
        memcpy(window->data + window->length, bytes + from, count);
        window->length += count;
    }
    window->total += length;
}

void window_put_byte(struct window *window, uint32_t byte)
{
    uint8_t one = (uint8_t)byte;
    window_put(window, &one, 1);
}

void window_put_string(struct window *window, const char *text)
{
    window_put(window, text, (uint32_t)strlen(text));
}

void window_put_decimal(struct window *window, int64_t value)
{
    char text[DECIMAL_BYTES];
    uint32_t at = DECIMAL_BYTES;
    uint64_t left = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do {
        text[--at] = (char)('0' + left % 10);
        left /= 10;
    } while (left > 0);
    if (value < 0) {
        text[--at] = '-';
    }
    window_put(window, text + at, DECIMAL_BYTES - at);
}

void window_put_float(struct window *window, float value)
{
    float left = value < 0 ? -value : value;
    uint32_t exponent = 0;
    for (; left >= FLOAT_HUGE; left /= FLOAT_HUGE) {
        exponent += FLOAT_HUGE_DIGITS;
    }
    uint32_t whole = (uint32_t)left;
    uint32_t decimals = (uint32_t)((left - (float)whole) * FLOAT_UNIT + 0.5f); /* the difference is exact */
    whole += decimals / FLOAT_UNIT;
    window_put_string(window, value < 0 ? "-" : "");
    window_put_decimal(window, whole);
    window_put_byte(window, '.');
    for (uint32_t unit = FLOAT_UNIT / 10; unit > 0; unit /= 10) {
        window_put_byte(window, '0' + decimals / unit % 10);
    }
    if (exponent > 0) {
        window_put_byte(window, 'e');
        window_put_decimal(window, exponent);
    }
}

void window_put_big_endian(struct window *window, uint64_t value, uint32_t bytes)
{
    while (bytes-- > 0) {
        window_put_byte(window, (uint32_t)(value >> (8 * bytes)));
    }
}
