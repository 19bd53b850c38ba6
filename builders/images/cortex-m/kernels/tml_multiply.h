/* Products of two tensors, brought to the output's scale. */
#ifndef TML_MULTIPLY_H
#define TML_MULTIPLY_H

#include "tml_requantise.h"
#include "tml_rows.h"

struct tml_multiply_layer {
    struct tml_rows rows;
    int32_t offset_1, offset_2;
    struct tml_requantise to;
};

TML_KERNEL void tml_multiply(const struct tml_multiply_layer *layer, const int8_t *input_1, const int8_t *input_2,
                             int8_t *output)
{
    struct tml_factor factor = tml_factor(&layer->to, 0);
    struct tml_row row = {0, 0, {0}};
    for (int32_t index = 0; index < layer->rows.count; index++) {
        const int8_t *a = input_1 + row.offset_1;
        const int8_t *b = input_2 + row.offset_2;
        for (int32_t c = 0; c < layer->rows.columns; c++) {
            int32_t one = a[c * layer->rows.step_1] + layer->offset_1;
            int32_t other = b[c * layer->rows.step_2] + layer->offset_2;
            *output++ = tml_finish(&layer->to, factor, one * other);
        }
        tml_next_row(&layer->rows, &row);
    }
}

#endif
