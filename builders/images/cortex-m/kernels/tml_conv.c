/* Convolution as a product of filters and gathered windows.
 *
 * The windows of two output pixels are widened to 16 bits with the input offset added, which makes padding a zero;
 * then two filters at a time meet both windows, so that each loaded value is used twice. */
#include "tml_fixed_point.h"
#include "tml_kernels.h"
#include "tml_simd.h"

/* Widens count bytes and adds offset to each. */
static int16_t *widen(const int8_t *from, int16_t *to, int32_t count, int32_t offset)
{
#if TML_DSP
    uint32_t offsets = ((uint32_t)offset & 0xFFFFu) | (uint32_t)offset << 16;
    for (; count >= 4; count -= 4, from += 4, to += 4) {
        uint32_t bytes = tml_load(from);
        uint32_t even = tml_even_plus(offsets, bytes);
        uint32_t odd = tml_odd_plus(offsets, bytes);
        tml_store(to, tml_pack_low(even, odd));
        tml_store(to + 2, tml_pack_high(even, odd));
    }
#endif
    for (; count > 0; count--) {
        *to++ = (int16_t)(*from++ + offset);
    }
    return to;
}

static int16_t *zeros(int16_t *to, int32_t count)
{
    for (; count > 0; count--) {
        *to++ = 0;
    }
    return to;
}

/* The window of one output pixel, in the filters' order, filled up to row_length. */
static void gather(const struct tml_conv *layer, const int8_t *image, int32_t out_y, int32_t out_x, int16_t *column)
{
    const struct tml_window *window = &layer->window;
    int16_t *to = column;
    int32_t channels = window->in_channels;
    int32_t left = out_x * window->stride_width - window->pad_left;
    int32_t y = out_y * window->stride_height - window->pad_top;
    int inside = window->dilation_width == 1 && left >= 0 && left + window->width <= window->in_width;
    for (int32_t row = 0; row < window->height; row++, y += window->dilation_height) {
        const int8_t *line = image + y * window->in_width * channels;
        if (y < 0 || y >= window->in_height) {
            to = zeros(to, window->width * channels);
        } else if (inside) {
            to = widen(line + left * channels, to, window->width * channels, layer->input_offset);
        } else {
            int32_t x = left;
            for (int32_t column_index = 0; column_index < window->width; column_index++, x += window->dilation_width) {
                to = x < 0 || x >= window->in_width
                         ? zeros(to, channels)
                         : widen(line + x * channels, to, channels, layer->input_offset);
            }
        }
    }
    zeros(to, (int32_t)(column + layer->row_length - to));
}

static int8_t finish(const struct tml_conv *layer, int32_t channel, int32_t sum)
{
    int32_t step = channel * layer->channel_step;
    int32_t value = tml_rescale(sum, layer->multiplier[step], layer->shift[step]) + layer->output_offset;
    return (int8_t)tml_clamp(value, layer->low, layer->high);
}

/* One filter, one window. */
static int32_t dot_1x1(const int8_t *weights, const int16_t *column, int32_t length, int32_t sum)
{
    for (; length > 0; length -= 4, weights += 4, column += 4) {
#if TML_DSP
        uint32_t bytes = tml_load(weights);
        sum = tml_dot(tml_even(bytes), tml_load(column), sum);
        sum = tml_dot(tml_odd(bytes), tml_load(column + 2), sum);
#else
        sum += weights[0] * column[0] + weights[2] * column[1] + weights[1] * column[2] + weights[3] * column[3];
#endif
    }
    return sum;
}

/* Two filters (rows one after the other), one window. */
static void dot_2x1(const int8_t *weights, const int16_t *column, int32_t length, int32_t sums[2])
{
    const int8_t *second = weights + length;
    int32_t sum_0 = sums[0];
    int32_t sum_1 = sums[1];
    for (; length > 0; length -= 4, weights += 4, second += 4, column += 4) {
#if TML_DSP
        uint32_t low = tml_load(column);
        uint32_t high = tml_load(column + 2);
        uint32_t bytes_0 = tml_load(weights);
        uint32_t bytes_1 = tml_load(second);
        sum_0 = tml_dot(tml_even(bytes_0), low, sum_0);
        sum_1 = tml_dot(tml_even(bytes_1), low, sum_1);
        sum_0 = tml_dot(tml_odd(bytes_0), high, sum_0);
        sum_1 = tml_dot(tml_odd(bytes_1), high, sum_1);
#else
        sum_0 += weights[0] * column[0] + weights[2] * column[1] + weights[1] * column[2] + weights[3] * column[3];
        sum_1 += second[0] * column[0] + second[2] * column[1] + second[1] * column[2] + second[3] * column[3];
#endif
    }
    sums[0] = sum_0;
    sums[1] = sum_1;
}

/* Two filters, two windows (one after the other); sums are filter 0 window 0, filter 1 window 0, then window 1. */
static void dot_2x2(const int8_t *weights, const int16_t *columns, int32_t length, int32_t sums[4])
{
#if TML_DSP
    const int8_t *second = weights + length;
    const int16_t *columns_1 = columns + length;
    int32_t sum_00 = sums[0];
    int32_t sum_10 = sums[1];
    int32_t sum_01 = sums[2];
    int32_t sum_11 = sums[3];
    const int8_t *end = second;
    while (weights != end) {
        uint32_t bytes_0 = tml_load(weights);
        uint32_t bytes_1 = tml_load(second);
        uint32_t even_0 = tml_even(bytes_0);
        uint32_t even_1 = tml_even(bytes_1);
        uint32_t odd_0 = tml_odd(bytes_0);
        uint32_t odd_1 = tml_odd(bytes_1);
        uint32_t window_0 = tml_load(columns);
        uint32_t window_1 = tml_load(columns_1);
        sum_00 = tml_dot(even_0, window_0, sum_00);
        sum_10 = tml_dot(even_1, window_0, sum_10);
        sum_01 = tml_dot(even_0, window_1, sum_01);
        sum_11 = tml_dot(even_1, window_1, sum_11);
        window_0 = tml_load(columns + 2);
        window_1 = tml_load(columns_1 + 2);
        sum_00 = tml_dot(odd_0, window_0, sum_00);
        sum_10 = tml_dot(odd_1, window_0, sum_10);
        sum_01 = tml_dot(odd_0, window_1, sum_01);
        sum_11 = tml_dot(odd_1, window_1, sum_11);
        weights += 4;
        second += 4;
        columns += 4;
        columns_1 += 4;
    }
    sums[0] = sum_00;
    sums[1] = sum_10;
    sums[2] = sum_01;
    sums[3] = sum_11;
#else
    dot_2x1(weights, columns, length, sums);
    dot_2x1(weights, columns + length, length, sums + 2);
#endif
}

static void one_pixel(const struct tml_conv *layer, const int16_t *column, int8_t *output)
{
    const int8_t *weights = layer->weights;
    int32_t length = layer->row_length;
    int32_t channel = 0;
    for (; channel + 2 <= layer->out_channels; channel += 2, weights += 2 * length) {
        int32_t sums[2] = {layer->bias[channel], layer->bias[channel + 1]};
        dot_2x1(weights, column, length, sums);
        output[channel] = finish(layer, channel, sums[0]);
        output[channel + 1] = finish(layer, channel + 1, sums[1]);
    }
    if (channel < layer->out_channels) {
        output[channel] = finish(layer, channel, dot_1x1(weights, column, length, layer->bias[channel]));
    }
}

static void two_pixels(const struct tml_conv *layer, const int16_t *columns, int8_t *output)
{
    const int8_t *weights = layer->weights;
    int8_t *output_1 = output + layer->out_channels;
    int32_t length = layer->row_length;
    int32_t channel = 0;
    for (; channel + 2 <= layer->out_channels; channel += 2, weights += 2 * length) {
        int32_t bias_0 = layer->bias[channel];
        int32_t bias_1 = layer->bias[channel + 1];
        int32_t sums[4] = {bias_0, bias_1, bias_0, bias_1};
        dot_2x2(weights, columns, length, sums);
        output[channel] = finish(layer, channel, sums[0]);
        output[channel + 1] = finish(layer, channel + 1, sums[1]);
        output_1[channel] = finish(layer, channel, sums[2]);
        output_1[channel + 1] = finish(layer, channel + 1, sums[3]);
    }
    if (channel < layer->out_channels) {
        int32_t bias = layer->bias[channel];
        output[channel] = finish(layer, channel, dot_1x1(weights, columns, length, bias));
        output_1[channel] = finish(layer, channel, dot_1x1(weights, columns + length, length, bias));
    }
}

void tml_conv_2d(const struct tml_conv *layer, const int8_t *input, int8_t *output, int16_t *columns)
{
    const struct tml_window *window = &layer->window;
    int32_t image = window->in_height * window->in_width * window->in_channels;
    int32_t waiting = 0;
    for (int32_t batch = 0; batch < window->batches; batch++, input += image) {
        for (int32_t y = 0; y < window->out_height; y++) {
            for (int32_t x = 0; x < window->out_width; x++) {
                gather(layer, input, y, x, columns + waiting * layer->row_length);
                if (++waiting == 2) {
                    two_pixels(layer, columns, output);
                    output += 2 * layer->out_channels;
                    waiting = 0;
                }
            }
        }
    }
    if (waiting) {
        one_pixel(layer, columns, output);
    }
}
