/* Images of another height and width: the nearest pixels, or mixtures of four. */
#ifndef TML_RESIZE_H
#define TML_RESIZE_H

#include <stdint.h>

#include "tml_specialise.h"

struct tml_resize {
    int32_t batches, in_height, in_width, channels, out_height, out_width;
};

/* Which input row and column each output row and column repeats. */
struct tml_nearest_layer {
    struct tml_resize size;
    const int16_t *rows, *columns;
};

TML_KERNEL void tml_resize_nearest(const struct tml_nearest_layer *layer, const int8_t *input, int8_t *output)
{
    const struct tml_resize *size = &layer->size;
    for (int32_t batch = 0; batch < size->batches; batch++) {
        for (int32_t y = 0; y < size->out_height; y++) {
            const int8_t *line = input + layer->rows[y] * size->in_width * size->channels;
            for (int32_t x = 0; x < size->out_width; x++, output += size->channels) {
                __builtin_memmove(output, line + layer->columns[x] * size->channels, (uint32_t)size->channels);
            }
        }
        input += size->in_height * size->in_width * size->channels;
    }
}

#define TML_PIXEL_BITS 10 /* of a position, after the point */

/* Output row n lies at row_scale * n + row_offset. */
struct tml_bilinear_layer {
    struct tml_resize size;
    int32_t row_scale, row_offset, column_scale, column_offset;
};

/* The two rows or columns around a position, and the shares of both. */
struct tml_between {
    int32_t low, high, low_share, high_share;
};

TML_PART struct tml_between tml_between(int32_t position, int32_t size)
{
    struct tml_between between;
    between.low = position < 0 ? 0 : position >> TML_PIXEL_BITS;
    between.high = (position + (1 << TML_PIXEL_BITS) - 1) >> TML_PIXEL_BITS;
    between.high = between.high < size ? between.high : size - 1;
    between.high_share = position - between.low * (1 << TML_PIXEL_BITS);
    between.low_share = (1 << TML_PIXEL_BITS) - between.high_share;
    return between;
}

/* sum / 2^20, halves away from zero. */
TML_PART int8_t tml_mixed(int32_t sum)
{
    const int32_t half = 1 << (2 * TML_PIXEL_BITS - 1);
    return (int8_t)((sum + (sum > 0 ? half : -half)) / (2 * half));
}

TML_KERNEL void tml_resize_bilinear(const struct tml_bilinear_layer *layer, const int8_t *input, int8_t *output)
{
    const struct tml_resize *size = &layer->size;
    int32_t line = size->in_width * size->channels;
    for (int32_t batch = 0; batch < size->batches; batch++, input += size->in_height * line) {
        for (int32_t y = 0; y < size->out_height; y++) {
            struct tml_between row = tml_between(y * layer->row_scale + layer->row_offset, size->in_height);
            for (int32_t x = 0; x < size->out_width; x++, output += size->channels) {
                struct tml_between column = tml_between(x * layer->column_scale + layer->column_offset, size->in_width);
                const int8_t *low = input + row.low * line + column.low * size->channels;
                const int8_t *high = input + row.high * line + column.low * size->channels;
                int32_t aside = (column.high - column.low) * size->channels;
                int32_t low_low = row.low_share * column.low_share, low_high = row.low_share * column.high_share;
                int32_t high_low = row.high_share * column.low_share, high_high = row.high_share * column.high_share;
                for (int32_t channel = 0; channel < size->channels; channel++) {
                    output[channel] = tml_mixed(low[channel] * low_low + low[channel + aside] * low_high +
                                                high[channel] * high_low + high[channel + aside] * high_high);
                }
            }
        }
    }
}

#endif
