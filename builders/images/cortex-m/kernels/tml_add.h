/* Addition: both inputs are brought to twice the larger scale, added, and brought to the output's scale. */
#ifndef TML_ADD_H
#define TML_ADD_H

#include "tml_kernels.h"
#include "tml_requantise.h"

#define TML_ADD_LEFT_SHIFT 20

/* count is for tml_add; sizes and strides (0 where an input repeats) for tml_add_broadcast. halves_1 and halves_2: the
 * factor of that input is exactly one half. */
struct tml_add_layer {
    int32_t count;
    int32_t sizes[4], strides_1[4], strides_2[4];
    int32_t offset_1, offset_2;
    int32_t multiplier_1, multiplier_2;
    int32_t shift_1, shift_2;
    int32_t halves_1, halves_2;
    struct tml_requantise to;
};

TML_PART int32_t tml_add_scaled(int32_t value, int32_t multiplier, int32_t shift, int32_t halves)
{
    if (halves) {
        return value * (1 << (TML_ADD_LEFT_SHIFT - 1));
    }
    return tml_rescale(value * (1 << TML_ADD_LEFT_SHIFT), multiplier, shift);
}

TML_PART int8_t tml_add_two(const struct tml_add_layer *layer, struct tml_factor factor, int32_t a, int32_t b)
{
    int32_t sum = tml_add_scaled(a + layer->offset_1, layer->multiplier_1, layer->shift_1, layer->halves_1) +
                  tml_add_scaled(b + layer->offset_2, layer->multiplier_2, layer->shift_2, layer->halves_2);
    return tml_finish(&layer->to, factor, sum);
}

TML_KERNEL void tml_add(const struct tml_add_layer *layer, const int8_t *input_1, const int8_t *input_2,
                        int8_t *output)
{
    struct tml_factor factor = tml_factor(&layer->to, 0);
    for (int32_t index = 0; index < layer->count; index++) {
        output[index] = tml_add_two(layer, factor, input_1[index], input_2[index]);
    }
}

TML_KERNEL void tml_add_broadcast(const struct tml_add_layer *layer, const int8_t *input_1, const int8_t *input_2,
                                  int8_t *output)
{
    struct tml_factor factor = tml_factor(&layer->to, 0);
    const int32_t *size = layer->sizes;
    const int32_t *step_1 = layer->strides_1;
    const int32_t *step_2 = layer->strides_2;
    for (int32_t n = 0; n < size[0]; n++) {
        for (int32_t y = 0; y < size[1]; y++) {
            for (int32_t x = 0; x < size[2]; x++) {
                const int8_t *a = input_1 + n * step_1[0] + y * step_1[1] + x * step_1[2];
                const int8_t *b = input_2 + n * step_2[0] + y * step_2[1] + x * step_2[2];
                for (int32_t c = 0; c < size[3]; c++) {
                    *output++ = tml_add_two(layer, factor, a[c * step_1[3]], b[c * step_2[3]]);
                }
            }
        }
    }
}

#endif
