/* Of two tensors the larger or the smaller elements, as they are stored. */
#ifndef TML_EXTREMES_H
#define TML_EXTREMES_H

#include "tml_rows.h"
#include "tml_simd.h"

struct tml_extremes_layer {
    struct tml_rows rows;
    int32_t largest;
};

TML_KERNEL void tml_extremes(const struct tml_extremes_layer *layer, const int8_t *input_1, const int8_t *input_2,
                             int8_t *output)
{
    const struct tml_rows *rows = &layer->rows;
    struct tml_row row = {0, 0, {0}};
    for (int32_t index = 0; index < rows->count; index++, output += rows->columns) {
        const int8_t *a = input_1 + row.offset_1;
        const int8_t *b = input_2 + row.offset_2;
        int32_t c = 0;
#if TML_DSP
        if (layer->largest && rows->step_1 == 1 && rows->step_2 == 1) {
            for (; c + 4 <= rows->columns; c += 4) {
                tml_store(output + c, tml_larger_bytes(tml_load(a + c), tml_load(b + c)));
            }
        }
#endif
        for (; c < rows->columns; c++) {
            int8_t one = a[c * rows->step_1];
            int8_t other = b[c * rows->step_2];
            output[c] = (one > other) == (layer->largest != 0) ? one : other;
        }
        tml_next_row(rows, &row);
    }
}

#endif
