/* Average and maximum over a sliding window; padding takes no part. */
#ifndef TML_POOL_H
#define TML_POOL_H

#include "tml_fixed_point.h"
#include "tml_kernels.h"
#include "tml_simd.h"
#include "tml_specialise.h"

struct tml_pool {
    struct tml_window window;
    int32_t low, high;
};

/* The part of a window that lies inside the input. */
struct tml_pool_patch {
    const int8_t *from;
    int32_t rows, columns, line, channels;
};

TML_PART int32_t tml_pool_clip(int32_t start, int32_t window, int32_t size, int32_t *count)
{
    int32_t first = start < 0 ? 0 : start;
    *count = (start + window < size ? start + window : size) - first;
    return first;
}

TML_PART int8_t tml_average(const struct tml_pool *layer, const struct tml_pool_patch *patch, int32_t sum)
{
    int32_t count = patch->rows * patch->columns;
    return (int8_t)tml_clamp((sum > 0 ? sum + count / 2 : sum - count / 2) / count, layer->low, layer->high);
}

TML_PART int8_t tml_average_channel(const struct tml_pool *layer, const struct tml_pool_patch *patch, int32_t channel)
{
    int32_t sum = 0;
    const int8_t *line = patch->from + channel;
    for (int32_t y = 0; y < patch->rows; y++, line += patch->line) {
        for (int32_t x = 0; x < patch->columns; x++) {
            sum += line[x * patch->channels];
        }
    }
    return tml_average(layer, patch, sum);
}

TML_PART int8_t tml_max_channel(const struct tml_pool *layer, const struct tml_pool_patch *patch, int32_t channel)
{
    int32_t most = INT8_MIN;
    const int8_t *line = patch->from + channel;
    for (int32_t y = 0; y < patch->rows; y++, line += patch->line) {
        for (int32_t x = 0; x < patch->columns; x++) {
            int32_t value = line[x * patch->channels];
            most = value > most ? value : most;
        }
    }
    return (int8_t)tml_clamp(most, layer->low, layer->high);
}

#if TML_DSP

#define TML_LANE_TERMS 255 /* bytes that a sum in 16 bits holds */

/* Four channels of a window of at most TML_LANE_TERMS pixels. */
TML_PART void tml_average_four(const struct tml_pool *layer, const struct tml_pool_patch *patch, int32_t channel,
                               int8_t *output)
{
    uint32_t even = 0, odd = 0;
    const int8_t *line = patch->from + channel;
    for (int32_t y = 0; y < patch->rows; y++, line += patch->line) {
        const int8_t *from = line;
        for (int32_t x = 0; x < patch->columns; x++, from += patch->channels) {
            uint32_t bytes = tml_load(from);
            even = tml_even_plus(even, bytes);
            odd = tml_odd_plus(odd, bytes);
        }
    }
    output[channel] = tml_average(layer, patch, (int16_t)even);
    output[channel + 1] = tml_average(layer, patch, (int16_t)odd);
    output[channel + 2] = tml_average(layer, patch, (int32_t)even >> 16);
    output[channel + 3] = tml_average(layer, patch, (int32_t)odd >> 16);
}

TML_PART void tml_max_four(const struct tml_pool *layer, const struct tml_pool_patch *patch, int32_t channel,
                           int8_t *output)
{
    uint32_t most = 0x80808080u;
    const int8_t *line = patch->from + channel;
    for (int32_t y = 0; y < patch->rows; y++, line += patch->line) {
        const int8_t *from = line;
        for (int32_t x = 0; x < patch->columns; x++, from += patch->channels) {
            most = tml_larger_bytes(most, tml_load(from));
        }
    }
#pragma GCC unroll 4
    for (int32_t index = 0; index < 4; index++) {
        output[channel + index] = (int8_t)tml_clamp((int8_t)(most >> (8 * index)), layer->low, layer->high);
    }
}

#endif

TML_PART void tml_pool(const struct tml_pool *layer, const int8_t *input, int8_t *output, int average)
{
    const struct tml_window *window = &layer->window;
    struct tml_pool_patch patch = {.channels = window->in_channels, .line = window->in_width * window->in_channels};
    for (int32_t batch = 0; batch < window->batches; batch++, input += window->in_height * patch.line) {
        for (int32_t y = 0; y < window->out_height; y++) {
            int32_t top = tml_pool_clip(y * window->stride_height - window->pad_top, window->height,
                                        window->in_height, &patch.rows);
            for (int32_t x = 0; x < window->out_width; x++, output += patch.channels) {
                int32_t left = tml_pool_clip(x * window->stride_width - window->pad_left, window->width,
                                             window->in_width, &patch.columns);
                patch.from = input + top * patch.line + left * patch.channels;
                int32_t channel = 0;
#if TML_DSP
                if (!average || window->height * window->width <= TML_LANE_TERMS) {
                    for (; channel + 4 <= patch.channels; channel += 4) {
                        if (average) {
                            tml_average_four(layer, &patch, channel, output);
                        } else {
                            tml_max_four(layer, &patch, channel, output);
                        }
                    }
                }
#endif
                for (; channel < patch.channels; channel++) {
                    output[channel] = average ? tml_average_channel(layer, &patch, channel)
                                              : tml_max_channel(layer, &patch, channel);
                }
            }
        }
    }
}

TML_KERNEL void tml_average_pool_2d(const struct tml_pool *layer, const int8_t *input, int8_t *output)
{
    tml_pool(layer, input, output, 1);
}

TML_KERNEL void tml_max_pool_2d(const struct tml_pool *layer, const int8_t *input, int8_t *output)
{
    tml_pool(layer, input, output, 0);
}

#endif
