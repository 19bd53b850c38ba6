/* Depthwise convolution: each output channel sees one input channel.
 *
 * tml_depthwise_plane copies one channel with its padding into scratch, 16 bits wide, and runs the window over that.
 * Output may take exactly the place of the input: a channel is read whole before any of it is written.
 * tml_depthwise_taps handles every other shape, pixel by pixel in place of the tensors. */
#ifndef TML_DEPTHWISE_H
#define TML_DEPTHWISE_H

#include "tml_kernels.h"
#include "tml_requantise.h"

/* Weights are [height, width, out_channels]. The bias holds the input's zero point times the filter's sum.
 * The plane, of plane_height by plane_width (even), is for tml_depthwise_plane, whose window is odd: pairs =
 * (window.width - 1) / 2, and whose weights are zero where the model's window was even. */
struct tml_depthwise {
    struct tml_window window;
    int32_t out_channels, channel_multiplier, input_zero;
    int32_t plane_height, plane_width, pairs;
    struct tml_requantise to;
    const int8_t *weights;
    const int32_t *bias;
};

#define TML_PLANE_WORDS 24 /* words of weights of the largest window: rows * 2 * pairs */

#define TML_GATHERED_CHANNELS (UINT16_MAX / 7) /* the last of eight places still fits 16 bits */

/* One channel of the input into the plane, inside its padding. */
TML_PART void tml_fill_plane(const struct tml_depthwise *layer, const int8_t *channel, int16_t *plane)
{
    const struct tml_window *window = &layer->window;
    int32_t rows = layer->plane_height - window->pad_top;
    int32_t columns = layer->plane_width - window->pad_left;
    rows = rows < window->in_height ? rows : window->in_height;
    columns = columns < window->in_width ? columns : window->in_width;
    int16_t *line = plane + window->pad_top * layer->plane_width + window->pad_left;
    for (int32_t y = 0; y < rows; y++, line += layer->plane_width) {
        const int8_t *from = channel + y * window->in_width * window->in_channels;
        int32_t x = 0;
#if TML_MVE
        uint16x8_t places = vmulq_n_u16(vidupq_n_u16(0, 1), (uint16_t)window->in_channels);
        for (; window->in_channels <= TML_GATHERED_CHANNELS && x + 8 <= columns; x += 8) {
            vstrhq_s16(line + x, vldrbq_gather_offset_s16(from, places));
            from += 8 * window->in_channels;
        }
#endif
#pragma GCC unroll 8
        for (; x < columns; x++, from += window->in_channels) {
            line[x] = *from;
        }
    }
}

#if TML_MVE

/* Four windows side by side, of which `count` are wanted: the lanes of the others read nothing. */
TML_PART int32x4_t tml_plane_four(const struct tml_depthwise *layer, const int16_t *at, const int32_t *weights,
                                  int32_t bias, int32_t count)
{
    int32x4_t sums = vdupq_n_s32(bias);
    uint32x4_t places = vmulq_n_u32(vidupq_n_u32(0, 1), (uint32_t)layer->window.stride_width);
    mve_pred16_t there = vctp32q((uint32_t)count);
#pragma GCC unroll 8
    for (int32_t row = 0; row < layer->window.height; row++, at += layer->plane_width) {
#pragma GCC unroll 16
        for (int32_t column = 0; column < layer->window.width; column++) {
            int32x4_t lanes;
            if (layer->window.stride_width == 1) {
                lanes = count >= 4 ? vldrhq_s32(at + column) : vldrhq_z_s32(at + column, there);
            } else if (count >= 4) {
                lanes = vldrhq_gather_shifted_offset_s32(at + column, places);
            } else {
                lanes = vldrhq_gather_shifted_offset_z_s32(at + column, places, there);
            }
            sums = vmlaq_n_s32(sums, lanes, *weights++);
        }
    }
    return sums;
}

TML_PART void tml_plane_channel(const struct tml_depthwise *layer, const int16_t *plane, int32_t channel,
                                int8_t *output)
{
    const struct tml_window *window = &layer->window;
    struct tml_factor factor = tml_factor(&layer->to, channel);
    int32_t bias = layer->bias[channel];
    int32_t weights[2 * TML_PLANE_WORDS];
    for (int32_t index = 0; index < window->height * window->width; index++) {
        weights[index] = layer->weights[channel + index * layer->out_channels];
    }
    for (int32_t y = 0; y < window->out_height; y++, plane += window->stride_height * layer->plane_width) {
        const int16_t *at = plane;
        int32_t x = 0;
        for (; x + 4 <= window->out_width; x += 4, at += 4 * window->stride_width) {
            int32x4_t sums = tml_plane_four(layer, at, weights, bias, 4);
            tml_store_apart(output, tml_finish_four(&layer->to, factor, sums), layer->out_channels, 4);
            output += 4 * layer->out_channels;
        }
        int32_t rest = window->out_width - x;
        if (rest > 0) {
            int32x4_t sums = tml_plane_four(layer, at, weights, bias, rest);
            tml_store_apart(output, tml_finish_four(&layer->to, factor, sums), layer->out_channels, rest);
            output += rest * layer->out_channels;
        }
    }
}

#elif TML_DSP

/* For each row of the window its elements in pairs from the first (0 and 1, 2 and 3, ..), then from the second. */
TML_PART void tml_plane_weights(const struct tml_depthwise *layer, int32_t channel, uint32_t *words)
{
    const int8_t *from = layer->weights + channel;
    int32_t step = layer->out_channels;
#pragma GCC unroll 8
    for (int32_t row = 0; row < layer->window.height; row++, from += layer->window.width * step) {
#pragma GCC unroll 8
        for (int32_t pair = 0; pair < layer->pairs; pair++) {
            const int8_t *at = from + 2 * pair * step;
            *words++ = tml_pair(at[0], at[step]);
        }
#pragma GCC unroll 8
        for (int32_t pair = 0; pair < layer->pairs; pair++) {
            const int8_t *at = from + (2 * pair + 1) * step;
            *words++ = tml_pair(at[0], at[step]);
        }
    }
}

/* The window at an even place of the plane. */
TML_PART int32_t tml_plane_one(const struct tml_depthwise *layer, const int16_t *at, const uint32_t *words,
                               int32_t sum)
{
#pragma GCC unroll 8
    for (int32_t row = 0; row < layer->window.height; row++, at += layer->plane_width, words += 2 * layer->pairs) {
#pragma GCC unroll 8
        for (int32_t pair = 0; pair < layer->pairs; pair++) {
            sum = tml_dot(tml_load(at + 2 * pair), words[pair], sum);
        }
        sum = tml_low_high_product(tml_load(at + 2 * layer->pairs), words[2 * layer->pairs - 1], sum);
    }
    return sum;
}

/* The windows at an even place and at the next. */
TML_PART void tml_plane_two(const struct tml_depthwise *layer, const int16_t *at, const uint32_t *words,
                            int32_t *sum_0, int32_t *sum_1)
{
    int32_t pairs = layer->pairs;
#pragma GCC unroll 8
    for (int32_t row = 0; row < layer->window.height; row++, at += layer->plane_width, words += 2 * pairs) {
        struct tml_words lanes = tml_load_two(at);
        *sum_0 = tml_dot(lanes.first, words[0], *sum_0);
        *sum_1 = tml_low_high_product(words[0], lanes.first, *sum_1);
#pragma GCC unroll 8
        for (int32_t pair = 1; pair < pairs; pair++) {
            *sum_0 = tml_dot(lanes.second, words[pair], *sum_0);
            *sum_1 = tml_dot(lanes.second, words[pairs + pair - 1], *sum_1);
            lanes.second = tml_load(at + 2 * pair + 2);
        }
        *sum_0 = tml_low_high_product(lanes.second, words[2 * pairs - 1], *sum_0);
        *sum_1 = tml_dot(lanes.second, words[2 * pairs - 1], *sum_1);
    }
}

TML_PART void tml_plane_channel(const struct tml_depthwise *layer, const int16_t *plane, int32_t channel,
                                int8_t *output)
{
    const struct tml_window *window = &layer->window;
    struct tml_factor factor = tml_factor(&layer->to, channel);
    int32_t bias = layer->bias[channel];
    uint32_t words[TML_PLANE_WORDS];
    tml_plane_weights(layer, channel, words);
    for (int32_t y = 0; y < window->out_height; y++, plane += window->stride_height * layer->plane_width) {
        const int16_t *at = plane;
        int32_t x = 0;
        if (window->stride_width == 1) {
            for (; x + 2 <= window->out_width; x += 2, at += 2) {
                int32_t sum_0 = bias, sum_1 = bias;
                tml_plane_two(layer, at, words, &sum_0, &sum_1);
                output[0] = tml_finish(&layer->to, factor, sum_0);
                output[layer->out_channels] = tml_finish(&layer->to, factor, sum_1);
                output += 2 * layer->out_channels;
            }
        }
        for (; x < window->out_width; x++, at += window->stride_width, output += layer->out_channels) {
            *output = tml_finish(&layer->to, factor, tml_plane_one(layer, at, words, bias));
        }
    }
}

#else

TML_PART void tml_plane_channel(const struct tml_depthwise *layer, const int16_t *plane, int32_t channel,
                                int8_t *output)
{
    const struct tml_window *window = &layer->window;
    struct tml_factor factor = tml_factor(&layer->to, channel);
    int16_t weights[2 * TML_PLANE_WORDS];
    for (int32_t index = 0; index < window->height * window->width; index++) {
        weights[index] = layer->weights[channel + index * layer->out_channels];
    }
    for (int32_t y = 0; y < window->out_height; y++, plane += window->stride_height * layer->plane_width) {
        for (int32_t x = 0; x < window->out_width; x++, output += layer->out_channels) {
            const int16_t *at = plane + x * window->stride_width;
            const int16_t *weight = weights;
            int32_t sum = layer->bias[channel];
#pragma GCC unroll 8
            for (int32_t row = 0; row < window->height; row++, at += layer->plane_width) {
#pragma GCC unroll 8
                for (int32_t column = 0; column < window->width; column++) {
                    sum += at[column] * *weight++;
                }
            }
            *output = tml_finish(&layer->to, factor, sum);
        }
    }
}

#endif

/* scratch: the plane. */
TML_KERNEL void tml_depthwise_plane(const struct tml_depthwise *layer, const int8_t *input, int8_t *output,
                                    int16_t *scratch)
{
    const struct tml_window *window = &layer->window;
    for (int32_t index = 0; index < layer->plane_height * layer->plane_width; index++) {
        scratch[index] = (int16_t)layer->input_zero;
    }
    for (int32_t batch = 0; batch < window->batches; batch++) {
        for (int32_t channel = 0; channel < layer->out_channels; channel++) {
            tml_fill_plane(layer, input + channel, scratch);
            tml_plane_channel(layer, scratch, channel, output + channel);
        }
        input += window->in_height * window->in_width * window->in_channels;
        output += window->out_height * window->out_width * layer->out_channels;
    }
}

/* The part of the window that lies inside the input, for one output pixel. */
struct tml_patch {
    const int8_t *input;   /* its first pixel */
    const int8_t *weights; /* the weights of that pixel */
    int32_t rows, columns;
    int32_t input_row, input_column; /* bytes from one to the next */
    int32_t weights_row, weights_column;
};

/* First index of a window at `start` that is not before the input. */
TML_PART int32_t tml_first_inside(int32_t start, int32_t dilation)
{
    return start < 0 ? (-start + dilation - 1) / dilation : 0;
}

/* One past the last index of a window at `start` that is inside an input of `size`. */
TML_PART int32_t tml_end_inside(int32_t start, int32_t dilation, int32_t size, int32_t window)
{
    int32_t end = start < size ? (size - start + dilation - 1) / dilation : 0;
    return end < window ? end : window;
}

TML_PART struct tml_patch tml_patch_at(const struct tml_depthwise *layer, const int8_t *image, int32_t y, int32_t x)
{
    const struct tml_window *window = &layer->window;
    int32_t first_row = tml_first_inside(y, window->dilation_height);
    int32_t first_column = tml_first_inside(x, window->dilation_width);
    y += first_row * window->dilation_height;
    x += first_column * window->dilation_width;
    struct tml_patch patch = {
        .input = image + (y * window->in_width + x) * window->in_channels,
        .weights = layer->weights + (first_row * window->width + first_column) * layer->out_channels,
        .rows = tml_end_inside(y, window->dilation_height, window->in_height, window->height - first_row),
        .columns = tml_end_inside(x, window->dilation_width, window->in_width, window->width - first_column),
        .input_row = window->dilation_height * window->in_width * window->in_channels,
        .input_column = window->dilation_width * window->in_channels,
        .weights_row = window->width * layer->out_channels,
        .weights_column = layer->out_channels,
    };
    return patch;
}

TML_PART int8_t tml_tap_channel(const struct tml_depthwise *layer, const struct tml_patch *patch, int32_t in,
                                int32_t out)
{
    int32_t sum = layer->bias[out];
    for (int32_t row = 0; row < patch->rows; row++) {
        const int8_t *input = patch->input + row * patch->input_row + in;
        const int8_t *weights = patch->weights + row * patch->weights_row + out;
        for (int32_t column = 0; column < patch->columns; column++) {
            sum += (*input - layer->input_zero) * *weights;
            input += patch->input_column;
            weights += patch->weights_column;
        }
    }
    return tml_finish(&layer->to, tml_factor(&layer->to, out), sum);
}

#if TML_DSP
/* Four neighbouring channels, where input and output channels are the same. */
TML_PART void tml_tap_four_channels(const struct tml_depthwise *layer, const struct tml_patch *patch, int32_t channel,
                                    int8_t *output)
{
    uint32_t offsets = tml_pair(-layer->input_zero, -layer->input_zero);
    int32_t sum_0 = layer->bias[channel];
    int32_t sum_1 = layer->bias[channel + 1];
    int32_t sum_2 = layer->bias[channel + 2];
    int32_t sum_3 = layer->bias[channel + 3];
    for (int32_t row = 0; row < patch->rows; row++) {
        const int8_t *input = patch->input + row * patch->input_row + channel;
        const int8_t *weights = patch->weights + row * patch->weights_row + channel;
        for (int32_t column = patch->columns; column > 0; column--) {
            uint32_t bytes = tml_load(input);
            uint32_t factors = tml_load(weights);
            uint32_t even = tml_even_plus(offsets, bytes);
            uint32_t odd = tml_odd_plus(offsets, bytes);
            uint32_t even_factors = tml_even(factors);
            uint32_t odd_factors = tml_odd(factors);
            sum_0 = tml_low_product(even, even_factors, sum_0);
            sum_1 = tml_low_product(odd, odd_factors, sum_1);
            sum_2 = tml_high_product(even, even_factors, sum_2);
            sum_3 = tml_high_product(odd, odd_factors, sum_3);
            input += patch->input_column;
            weights += patch->weights_column;
        }
    }
    output[channel] = tml_finish(&layer->to, tml_factor(&layer->to, channel), sum_0);
    output[channel + 1] = tml_finish(&layer->to, tml_factor(&layer->to, channel + 1), sum_1);
    output[channel + 2] = tml_finish(&layer->to, tml_factor(&layer->to, channel + 2), sum_2);
    output[channel + 3] = tml_finish(&layer->to, tml_factor(&layer->to, channel + 3), sum_3);
}
#endif

/* The bias is the model's own: padding takes no part here, so that the zero point's share differs at the edges. */
TML_KERNEL void tml_depthwise_taps(const struct tml_depthwise *layer, const int8_t *input, int8_t *output)
{
    const struct tml_window *window = &layer->window;
    int32_t image = window->in_height * window->in_width * window->in_channels;
    for (int32_t batch = 0; batch < window->batches; batch++, input += image) {
        for (int32_t y = 0; y < window->out_height; y++) {
            for (int32_t x = 0; x < window->out_width; x++, output += layer->out_channels) {
                struct tml_patch patch = tml_patch_at(layer, input, y * window->stride_height - window->pad_top,
                                                      x * window->stride_width - window->pad_left);
                int32_t out = 0;
#if TML_DSP
                if (layer->channel_multiplier == 1) {
                    for (; out + 4 <= layer->out_channels; out += 4) {
                        tml_tap_four_channels(layer, &patch, out, output);
                    }
                }
#endif
                for (; out < layer->out_channels; out++) {
                    output[out] = tml_tap_channel(layer, &patch, out / layer->channel_multiplier, out);
                }
            }
        }
    }
}

#endif
