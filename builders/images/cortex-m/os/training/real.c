/* Series around 0 and around 1, after the power of two was taken out. No product is fused with a sum (-std=c99). */
#include "training/real.h"

#include <stdint.h>

#include "core/bytes.h"

#define LN2_HIGH 0x1.62e4p-1f /* few bits: its product with an exponent is exact */
#define LN2_LOW 0x1.7f7d1cp-20f
#define LOG2_E 0x1.715476p+0f
#define LOWEST (-87.0f)
#define ROOT_OF_2 0x1.6a09e6p+0f
#define EXPONENT_BIAS 127
#define MANTISSA_BITS 23
#define MANTISSA_MASK 0x7FFFFFu
#define EXPONENT_MASK 0xFFu

static float of_bits(uint32_t bits)
{
    float number;
    bytes_copy(&number, &bits, sizeof number);
    return number;
}

static uint32_t bits_of(float number)
{
    uint32_t bits;
    bytes_copy(&bits, &number, sizeof bits);
    return bits;
}

float real_exp(float exponent)
{
    if (!(exponent >= LOWEST)) {
        return 0;
    }
    int32_t power = (int32_t)(exponent * LOG2_E - 0.5f);
    float rest = exponent - (float)power * LN2_HIGH - (float)power * LN2_LOW;
    float sum = 1.0f / 5040;
    sum = sum * rest + 1.0f / 720;
    sum = sum * rest + 1.0f / 120;
    sum = sum * rest + 1.0f / 24;
    sum = sum * rest + 1.0f / 6;
    sum = sum * rest + 0.5f;
    sum = sum * rest + 1.0f;
    sum = sum * rest + 1.0f;
    return sum * of_bits((uint32_t)(power + EXPONENT_BIAS) << MANTISSA_BITS);
}

float real_log(float number)
{
    uint32_t bits = bits_of(number);
    int32_t power = (int32_t)(bits >> MANTISSA_BITS) - EXPONENT_BIAS;
    float rest = of_bits((bits & MANTISSA_MASK) | (uint32_t)EXPONENT_BIAS << MANTISSA_BITS);
    if (rest > ROOT_OF_2) {
        rest *= 0.5f;
        power++;
    }
    float ratio = (rest - 1.0f) / (rest + 1.0f), square = ratio * ratio;
    float sum = 1.0f / 9;
    sum = sum * square + 1.0f / 7;
    sum = sum * square + 1.0f / 5;
    sum = sum * square + 1.0f / 3;
    sum = sum * square + 1.0f;
    return (float)power * LN2_HIGH + ((float)power * LN2_LOW + 2.0f * ratio * sum);
}

bool real_finite(float number)
{
    return (bits_of(number) >> MANTISSA_BITS & EXPONENT_MASK) != EXPONENT_MASK;
}
