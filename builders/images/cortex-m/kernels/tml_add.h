/* Addition and subtraction: both inputs are brought to twice the larger scale, added or subtracted, and brought to the
 * output's scale. */
#ifndef TML_ADD_H
#define TML_ADD_H

#include "tml_requantise.h"
#include "tml_rows.h"

#define TML_ADD_LEFT_SHIFT 20

/* halves_1 and halves_2: the factor of that input is exactly one half. */
struct tml_add_layer {
    struct tml_rows rows;
    int32_t offset_1, offset_2;
    int32_t multiplier_1, multiplier_2;
    int32_t shift_1, shift_2;
    int32_t halves_1, halves_2;
    int32_t subtracts;
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
    a = tml_add_scaled(a + layer->offset_1, layer->multiplier_1, layer->shift_1, layer->halves_1);
    b = tml_add_scaled(b + layer->offset_2, layer->multiplier_2, layer->shift_2, layer->halves_2);
    return tml_finish(&layer->to, factor, layer->subtracts ? a - b : a + b);
}

TML_KERNEL void tml_add(const struct tml_add_layer *layer, const int8_t *input_1, const int8_t *input_2,
                        int8_t *output)
{
    struct tml_factor factor = tml_factor(&layer->to, 0);
    struct tml_row row = {0, 0, {0}};
    for (int32_t index = 0; index < layer->rows.count; index++) {
        const int8_t *a = input_1 + row.offset_1;
        const int8_t *b = input_2 + row.offset_2;
        for (int32_t c = 0; c < layer->rows.columns; c++) {
            *output++ = tml_add_two(layer, factor, a[c * layer->rows.step_1], b[c * layer->rows.step_2]);
        }
        tml_next_row(&layer->rows, &row);
    }
}

#endif
