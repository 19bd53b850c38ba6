/* Transposed convolution: output pixels of one phase (their place plus the padding, modulo the stride) meet the same
 * taps, so each phase is a convolution of stride 1. The bias holds the input's zero point (tml_conv.h). */
#ifndef TML_TRANSPOSE_CONV_H
#define TML_TRANSPOSE_CONV_H

#include "tml_dot.h"
#include "tml_requantise.h"
#include "tml_specialise.h"

/* weights: the filters of each phase in pairs (tml_dot.h), from `starts` on; bias: an even number for each phase. */
struct tml_transpose_conv_layer {
    int32_t batches;
    int32_t in_height, in_width, in_channels;
    int32_t out_height, out_width, out_channels;
    int32_t height, width;
    int32_t stride_height, stride_width;
    int32_t pad_top, pad_left;
    int32_t input_zero;
    struct tml_requantise to;
    const int8_t *weights;
    const int32_t *starts;
    const int32_t *bias;
};

/* rows x columns inputs from (top, left) on, one after the other; what lies outside is the zero point. */
TML_PART void tml_transpose_conv_gather(const struct tml_transpose_conv_layer *layer, const int8_t *image, int32_t top,
                                        int32_t left, int32_t rows, int32_t columns, int8_t *to)
{
    int32_t channels = layer->in_channels;
    for (int32_t y = top; y < top + rows; y++) {
        const int8_t *line = image + y * layer->in_width * channels;
        if (y >= 0 && y < layer->in_height && left >= 0 && left + columns <= layer->in_width) {
            __builtin_memcpy(to, line + left * channels, (uint32_t)(columns * channels));
            to += columns * channels;
            continue;
        }
        for (int32_t x = left; x < left + columns; x++, to += channels) {
            if (y < 0 || y >= layer->in_height || x < 0 || x >= layer->in_width) {
                __builtin_memset(to, layer->input_zero, (uint32_t)channels);
            } else {
                __builtin_memcpy(to, line + x * channels, (uint32_t)channels);
            }
        }
    }
}

/* All channels of one pixel. */
TML_PART void tml_transpose_conv_pixel(const struct tml_transpose_conv_layer *layer, const int8_t *window,
                                       int32_t depth, const int8_t *weights, const int32_t *bias, int8_t *output)
{
    int32_t filter = (depth + 3) / 4 * 4;
    int32_t channel = 0;
    int32_t sums[4];
    for (; channel + 4 <= layer->out_channels; channel += 4) {
        tml_dot_bytes_4(weights + channel * filter, window, depth, bias + channel, sums);
#pragma GCC unroll 4
        for (int32_t index = 0; index < 4; index++) {
            output[channel + index] = tml_finish(&layer->to, tml_factor(&layer->to, channel + index), sums[index]);
        }
    }
    for (; channel < layer->out_channels; channel += 2) {
        tml_dot_bytes_2(weights + channel * filter, window, depth, bias + channel, sums);
        output[channel] = tml_finish(&layer->to, tml_factor(&layer->to, channel), sums[0]);
        if (channel + 1 < layer->out_channels) {
            output[channel + 1] = tml_finish(&layer->to, tml_factor(&layer->to, channel + 1), sums[1]);
        }
    }
}

/* Taps of a phase: every stride-th from the phase on. */
TML_PART int32_t tml_transpose_conv_taps(int32_t size, int32_t stride, int32_t phase)
{
    return phase < size ? (size - phase + stride - 1) / stride : 0;
}

/* scratch: one window in bytes. */
TML_KERNEL void tml_transpose_conv(const struct tml_transpose_conv_layer *layer, const int8_t *input, int8_t *output,
                                   int16_t *scratch)
{
    int8_t *window = (int8_t *)scratch;
    const int32_t image = layer->in_height * layer->in_width * layer->in_channels;
    for (int32_t row = 0; row < layer->batches * layer->out_height; row++) {
        int32_t place = row % layer->out_height + layer->pad_top;
        int32_t phase = place % layer->stride_height;
        int32_t rows = tml_transpose_conv_taps(layer->height, layer->stride_height, phase);
        const int8_t *from = input + row / layer->out_height * image;
        for (int32_t x = layer->pad_left; x < layer->out_width + layer->pad_left; x++) {
            int32_t column_phase = x % layer->stride_width;
            int32_t columns = tml_transpose_conv_taps(layer->width, layer->stride_width, column_phase);
            int32_t number = phase * layer->stride_width + column_phase;
            tml_transpose_conv_gather(layer, from, place / layer->stride_height - rows + 1,
                                      x / layer->stride_width - columns + 1, rows, columns, window);
            tml_transpose_conv_pixel(layer, window, rows * columns * layer->in_channels,
                                     layer->weights + layer->starts[number],
                                     layer->bias + number * ((layer->out_channels + 1) / 2 * 2), output);
            output += layer->out_channels;
        }
    }
}

#endif
