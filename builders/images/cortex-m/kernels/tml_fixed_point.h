/* Fixed-point steps that the kernels share. */
#ifndef TML_FIXED_POINT_H
#define TML_FIXED_POINT_H

#include <stdint.h>

/* Twice the high half of the product, rounded to nearest. One factor is never INT32_MIN here. */
static inline int32_t tml_high_multiply(int32_t a, int32_t b)
{
    return (int32_t)(((int64_t)a * b + (1 << 30)) >> 31);
}

/* value / 2^amount, halves away from zero; amount 0..31. */
static inline int32_t tml_shift_right(int32_t value, int32_t amount)
{
    int32_t mask = (int32_t)((1u << amount) - 1u);
    int32_t remainder = value & mask;
    int32_t threshold = (int32_t)((uint32_t)mask >> 1) + (value < 0);
    return (value >> amount) + (remainder > threshold);
}

/* value * multiplier / 2^31 * 2^shift with two roundings. */
static inline int32_t tml_rescale(int32_t value, int32_t multiplier, int32_t shift)
{
    if (shift > 0) {
        return tml_high_multiply((int32_t)((uint32_t)value << shift), multiplier);
    }
    return tml_shift_right(tml_high_multiply(value, multiplier), -shift);
}

static inline int32_t tml_clamp(int32_t value, int32_t low, int32_t high)
{
    return value < low ? low : value > high ? high : value;
}

#endif
