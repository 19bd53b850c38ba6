/* Squares of differences: both inputs are brought to twice the larger scale, and the square to the output's. */
#ifndef TML_SQUARED_DIFFERENCE_H
#define TML_SQUARED_DIFFERENCE_H

#include "tml_requantise.h"
#include "tml_rows.h"

#define TML_SQUARED_DIFFERENCE_LEFT_SHIFT 7

struct tml_squared_difference_layer {
    struct tml_rows rows;
    int32_t offset_1, offset_2;
    int32_t multiplier_1, multiplier_2;
    int32_t shift_1, shift_2;
    struct tml_requantise to;
};

TML_KERNEL void tml_squared_difference(const struct tml_squared_difference_layer *layer, const int8_t *input_1,
                                       const int8_t *input_2, int8_t *output)
{
    struct tml_factor factor = tml_factor(&layer->to, 0);
    struct tml_row row = {0, 0, {0}};
    for (int32_t index = 0; index < layer->rows.count; index++) {
        const int8_t *a = input_1 + row.offset_1;
        const int8_t *b = input_2 + row.offset_2;
        for (int32_t c = 0; c < layer->rows.columns; c++) {
            int32_t one = (a[c * layer->rows.step_1] + layer->offset_1) * (1 << TML_SQUARED_DIFFERENCE_LEFT_SHIFT);
            int32_t other = (b[c * layer->rows.step_2] + layer->offset_2) * (1 << TML_SQUARED_DIFFERENCE_LEFT_SHIFT);
            int32_t difference = tml_rescale(one, layer->multiplier_1, layer->shift_1) -
                                 tml_rescale(other, layer->multiplier_2, layer->shift_2);
            *output++ = tml_finish(&layer->to, factor, difference * difference);
        }
        tml_next_row(&layer->rows, &row);
    }
}

#endif
