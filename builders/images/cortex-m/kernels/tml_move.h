/* Bytes put elsewhere as they are: parts in another order, tensors side by side, equal parts, padding. */
#ifndef TML_MOVE_H
#define TML_MOVE_H

#include "tml_rows.h"

/* Blocks of bytes; the loops and steps of input 1 lead from one to the next, from `start` on. */
struct tml_blocks_layer {
    struct tml_rows rows;
    int32_t start, block;
};

/* An output below its input may meet it: each block is moved whole. */
TML_KERNEL void tml_copy_blocks(const struct tml_blocks_layer *layer, const int8_t *input, int8_t *output)
{
    struct tml_row row = {layer->start, 0, {0}};
    for (int32_t index = 0; index < layer->rows.count; index++) {
        const int8_t *from = input + row.offset_1;
        for (int32_t column = 0; column < layer->rows.columns; column++, output += layer->block) {
            if (layer->block == 1) {
                *output = from[column * layer->rows.step_1];
            } else {
                __builtin_memmove(output, from + column * layer->rows.step_1, (uint32_t)layer->block);
            }
        }
        tml_next_row(&layer->rows, &row);
    }
}

/* Rows of row_bytes, of which input n gives widths[n]. */
struct tml_concatenate_layer {
    int32_t rows, parts, row_bytes;
    const int32_t *widths;
};

/* What was computed in its place is not copied. */
TML_KERNEL void tml_concatenate(const struct tml_concatenate_layer *layer, const int8_t *const inputs[],
                                int8_t *output)
{
#pragma GCC unroll 10
    for (int32_t part = 0; part < layer->parts; part++) {
        int32_t width = layer->widths[part];
        if (layer->rows > 1 || inputs[part] != output) {
            for (int32_t row = 0; row < layer->rows; row++) {
                __builtin_memcpy(output + row * layer->row_bytes, inputs[part] + row * width, (uint32_t)width);
            }
        }
        output += width;
    }
}

/* Rows of which each output takes `width` bytes in turn. */
struct tml_split_layer {
    int32_t rows, parts, width;
};

TML_KERNEL void tml_split(const struct tml_split_layer *layer, const int8_t *input, int8_t *const outputs[])
{
    for (int32_t part = 0; part < layer->parts; part++, input += layer->width) {
        for (int32_t row = 0; row < layer->rows; row++) {
            __builtin_memcpy(outputs[part] + row * layer->width, input + row * layer->parts * layer->width,
                             (uint32_t)layer->width);
        }
    }
}

#define TML_PAD_LOOPS 4

/* lead bytes, the blocks of the input with what lies between them, trail bytes. gaps[level] follows a block when that
 * loop turns and the loops inside it begin again. */
struct tml_pad_layer {
    int32_t blocks, loops, block, value, lead, trail;
    int32_t sizes[TML_PAD_LOOPS], gaps[TML_PAD_LOOPS];
};

/* An output below its input may meet it: each block is moved whole. */
TML_KERNEL void tml_pad_with(const struct tml_pad_layer *layer, int32_t value, const int8_t *input, int8_t *output)
{
    int32_t turns[TML_PAD_LOOPS] = {0};
    __builtin_memset(output, value, (uint32_t)layer->lead);
    output += layer->lead;
    for (int32_t index = 0; index < layer->blocks; index++, input += layer->block) {
        __builtin_memmove(output, input, (uint32_t)layer->block);
        output += layer->block;
        int32_t gap = layer->trail;
#pragma GCC unroll 4
        for (int32_t level = layer->loops - 1; level >= 0; level--) {
            if (++turns[level] < layer->sizes[level]) {
                gap = layer->gaps[level];
                break;
            }
            turns[level] = 0;
        }
        __builtin_memset(output, value, (uint32_t)gap);
        output += gap;
    }
}

TML_KERNEL void tml_pad(const struct tml_pad_layer *layer, const int8_t *input, int8_t *output)
{
    tml_pad_with(layer, layer->value, input, output);
}

/* With a value that an earlier layer computed. */
TML_KERNEL void tml_pad_computed(const struct tml_pad_layer *layer, const int8_t *input, const int8_t *value,
                                 int8_t *output)
{
    tml_pad_with(layer, *value, input, output);
}

#endif
