/* Products of matrices that are both computed. */
#ifndef TML_MATMUL_H
#define TML_MATMUL_H

#include "tml_requantise.h"
#include "tml_rows.h"

#define TML_MATMUL_COLUMNS 4

/* The walk is over the matrices of a batch. From one element to the next: row_1 and step_1 down and along a row of the
 * first, step_2 and column_2 down and along a column of the second. */
struct tml_matmul_layer {
    struct tml_rows rows;
    int32_t height, depth, width;
    int32_t row_1, step_1, step_2, column_2;
    int32_t offset_1, offset_2;
    struct tml_requantise to;
};

/* Some columns at once: each element of the row is read once for all of them. */
TML_PART void tml_matmul_columns(const struct tml_matmul_layer *layer, struct tml_factor factor, int32_t columns,
                                 int32_t bias, const int8_t *left, const int8_t *right, int8_t *output)
{
    int32_t sums[TML_MATMUL_COLUMNS];
#pragma GCC unroll 4
    for (int32_t column = 0; column < columns; column++) {
        sums[column] = bias;
    }
    for (int32_t k = 0; k < layer->depth; k++, left += layer->step_1, right += layer->step_2) {
        int32_t value = *left + layer->offset_1;
#pragma GCC unroll 4
        for (int32_t column = 0; column < columns; column++) {
            sums[column] += value * right[column * layer->column_2];
        }
    }
#pragma GCC unroll 4
    for (int32_t column = 0; column < columns; column++) {
        output[column] = tml_finish(&layer->to, factor, sums[column]);
    }
}

TML_PART void tml_matmul_row(const struct tml_matmul_layer *layer, struct tml_factor factor, const int8_t *left,
                             const int8_t *right, int8_t *output)
{
    int32_t bias = 0; /* what the zero point of the second adds to every sum of this row */
    for (int32_t k = 0; k < layer->depth && layer->offset_2 != 0; k++) {
        bias += left[k * layer->step_1] + layer->offset_1;
    }
    bias *= layer->offset_2;
    int32_t column = 0;
    for (; column + TML_MATMUL_COLUMNS <= layer->width; column += TML_MATMUL_COLUMNS) {
        tml_matmul_columns(layer, factor, TML_MATMUL_COLUMNS, bias, left, right + column * layer->column_2,
                           output + column);
    }
    for (; column < layer->width; column++) {
        tml_matmul_columns(layer, factor, 1, bias, left, right + column * layer->column_2, output + column);
    }
}

TML_KERNEL void tml_matmul(const struct tml_matmul_layer *layer, const int8_t *input_1, const int8_t *input_2,
                           int8_t *output)
{
    struct tml_factor factor = tml_factor(&layer->to, 0);
    struct tml_row row = {0, 0, {0}};
    for (int32_t index = 0; index < layer->rows.count; index++) {
        for (int32_t matrix = 0; matrix < layer->rows.columns; matrix++) {
            const int8_t *left = input_1 + row.offset_1 + matrix * layer->rows.step_1;
            const int8_t *right = input_2 + row.offset_2 + matrix * layer->rows.step_2;
            for (int32_t r = 0; r < layer->height; r++, output += layer->width) {
                tml_matmul_row(layer, factor, left + r * layer->row_1, right, output);
            }
        }
        tml_next_row(&layer->rows, &row);
    }
}

#endif
