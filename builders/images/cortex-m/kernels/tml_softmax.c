/* Softmax over rows; exponentials come from the layer's table, the reciprocal of their sum from Newton's iteration. */
#include "tml_fixed_point.h"
#include "tml_kernels.h"

#define SUM_INTEGER_BITS 12
#define NEWTON_STEPS 3
#define Q2_48_OVER_17 1515870810
#define Q2_MINUS_32_OVER_17 (-1010580540)
#define Q2_ONE (1 << 29)

/* value * 2^amount, saturated. */
static int32_t shift_left(int32_t value, int32_t amount)
{
    int64_t wide = (int64_t)value * (1 << amount);
    return wide > INT32_MAX ? INT32_MAX : wide < INT32_MIN ? INT32_MIN : (int32_t)wide;
}

/* 1 / (1 + fraction), both Q0.31, fraction in [0, 1). */
static int32_t one_over_one_plus(int32_t fraction)
{
    int32_t half_denominator = (int32_t)(((int64_t)fraction + INT32_MAX + 1) / 2);
    int32_t x = Q2_48_OVER_17 + tml_high_multiply(half_denominator, Q2_MINUS_32_OVER_17);
    for (int step = 0; step < NEWTON_STEPS; step++) {
        int32_t error = Q2_ONE - tml_high_multiply(half_denominator, x);
        x += shift_left(tml_high_multiply(x, error), 2);
    }
    return shift_left(x, 1);
}

static void one_row(const struct tml_softmax_layer *layer, const int8_t *input, int8_t *output)
{
    int32_t most = INT8_MIN;
    for (int32_t index = 0; index < layer->depth; index++) {
        most = input[index] > most ? input[index] : most;
    }
    uint32_t sum = 0;
    for (int32_t index = 0; index < layer->depth; index++) {
        sum += (uint32_t)tml_shift_right(layer->exponentials[most - input[index]], SUM_INTEGER_BITS);
    }
    /* The largest element adds one, so the sum is never zero. */
    int32_t headroom = __builtin_clz(sum);
    int32_t scale = one_over_one_plus((int32_t)((sum << headroom) - (1u << 31)));
    int32_t amount = SUM_INTEGER_BITS - headroom + 31 - 8;
    for (int32_t index = 0; index < layer->depth; index++) {
        int32_t product = tml_high_multiply(scale, layer->exponentials[most - input[index]]);
        output[index] = (int8_t)tml_clamp(tml_shift_right(product, amount) + INT8_MIN, INT8_MIN, INT8_MAX);
    }
}

void tml_softmax(const struct tml_softmax_layer *layer, const int8_t *input, int8_t *output)
{
    for (int32_t row = 0; row < layer->rows; row++) {
        one_row(layer, input + row * layer->depth, output + row * layer->depth);
    }
}
