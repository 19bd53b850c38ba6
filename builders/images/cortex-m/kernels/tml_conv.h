/* Convolution and fully connected layers: windows of several pixels are gathered into scratch, then each pair of
 * filters meets all of them (tml_dot.h). The bias holds the input's zero point times the filter's sum, so that bytes
 * are used as they are and padding is the zero point. */
#ifndef TML_CONV_H
#define TML_CONV_H

#include "tml_dot.h"
#include "tml_kernels.h"
#include "tml_requantise.h"

#define TML_CONV_PIXELS 4

/* weights and bias are padded to an even number of channels, each filter to `groups` groups of four. */
struct tml_conv {
    struct tml_window window;
    int32_t out_channels, groups, input_zero;
    struct tml_requantise to;
    const int8_t *weights;
    const int32_t *bias;
};

/* Where a pixel's groups go in the scratch, and how far apart its words and groups are (see tml_dot.h). */
struct tml_lane {
    int16_t *to;
    int32_t half, group;
};

TML_PART struct tml_lane tml_lane_of(int16_t *windows, int32_t pixels, int32_t pixel, int32_t groups)
{
#if TML_MVE
    (void)pixels;
    struct tml_lane lane = {windows + 2 * groups * pixel, 0, 0};
#elif TML_DSP
    (void)groups;
    struct tml_lane lane = {windows + 2 * pixel, 2 * pixels, 4 * pixels};
#else
    (void)pixels;
    struct tml_lane lane = {windows + 4 * groups * pixel, 2, 4};
#endif
    return lane;
}

/* Widens groups of four bytes; returns the place of the next group. */
TML_PART int16_t *tml_widen(const int8_t *from, struct tml_lane lane, int32_t groups)
{
    int16_t *to = lane.to;
#pragma GCC unroll 4
    for (; groups > 0; groups--, from += 4, to += lane.group) {
#if TML_DSP
        uint32_t bytes = tml_load(from);
        tml_store(to, tml_even(bytes));
        tml_store(to + lane.half, tml_odd(bytes));
#else
        to[0] = from[0];
        to[1] = from[1];
        to[2] = from[2];
        to[3] = from[3];
#endif
    }
    return to;
}

/* Bytes from one place to another: a call of memcpy costs more than a window's row. */
TML_PART void tml_copy_row(int8_t *to, const int8_t *from, int32_t count)
{
#if TML_MVE
    for (; count >= 16; count -= 16, from += 16, to += 16) {
        vstrbq_s8(to, vldrbq_s8(from));
    }
    if (count > 0) {
        mve_pred16_t there = vctp8q((uint32_t)count);
        vstrbq_p_s8(to, vldrbq_z_s8(from, there), there);
    }
#else
    __builtin_memcpy(to, from, (uint32_t)count);
#endif
}

/* The window's bytes one after the other, with padding: for windows at an edge, or of uneven rows. */
TML_PART void tml_copy_window(const struct tml_conv *layer, const int8_t *image, int32_t top, int32_t left, int8_t *to)
{
    const struct tml_window *window = &layer->window;
    int32_t channels = window->in_channels;
    int32_t row_bytes = window->width * channels;
    int whole = window->dilation_width == 1 && left >= 0 && left + window->width <= window->in_width;
    for (int32_t row = 0; row < window->height; row++, to += row_bytes) {
        int32_t y = top + row * window->dilation_height;
        const int8_t *line = image + y * window->in_width * channels;
        if (y < 0 || y >= window->in_height) {
            __builtin_memset(to, layer->input_zero, (uint32_t)row_bytes);
        } else if (whole) {
            tml_copy_row(to, line + left * channels, row_bytes);
        } else {
            for (int32_t column = 0; column < window->width; column++) {
                int32_t x = left + column * window->dilation_width;
                if (x < 0 || x >= window->in_width) {
                    __builtin_memset(to + column * channels, layer->input_zero, (uint32_t)channels);
                } else {
                    tml_copy_row(to + column * channels, line + x * channels, channels);
                }
            }
        }
    }
}

/* The window of one output pixel into its lane; `staging` has room for one window in bytes. */
TML_PART void tml_gather(const struct tml_conv *layer, const int8_t *image, int32_t top, int32_t left,
                         struct tml_lane lane, int8_t *staging)
{
#if TML_MVE
    (void)staging;
    tml_copy_window(layer, image, top, left, (int8_t *)lane.to);
#else
    const struct tml_window *window = &layer->window;
    int32_t channels = window->in_channels;
    int32_t row_bytes = window->width * channels;
    int padded = window->pad_top || window->pad_left ||
                 (window->out_height - 1) * window->stride_height + window->height > window->in_height ||
                 (window->out_width - 1) * window->stride_width + window->width > window->in_width;
    int inside = row_bytes % 4 == 0 && window->dilation_width == 1 && window->dilation_height == 1;
    if (padded) {
        inside = inside && top >= 0 && left >= 0 && top + window->height <= window->in_height &&
                 left + window->width <= window->in_width;
    }
    if (inside) {
        const int8_t *from = image + (top * window->in_width + left) * channels;
        for (int32_t row = 0; row < window->height; row++, from += window->in_width * channels) {
            lane.to = tml_widen(from, lane, row_bytes / 4);
        }
    } else {
        tml_copy_window(layer, image, top, left, staging);
        tml_widen(staging, lane, layer->groups);
    }
#endif
}

/* `count` sums of one channel to their pixels. */
TML_PART void tml_finish_pixels(const struct tml_conv *layer, int32_t channel, const int32_t *sums, int32_t count,
                                int8_t *output)
{
    struct tml_factor factor = tml_factor(&layer->to, channel);
#if TML_MVE
    if (count > 1) {
        int32x4_t values = count == 4 ? vldrwq_s32(sums) : vldrwq_z_s32(sums, vctp32q((uint32_t)count));
        tml_store_apart(output, tml_finish_four(&layer->to, factor, values), layer->out_channels, count);
        return;
    }
#endif
#pragma GCC unroll 4
    for (int32_t pixel = 0; pixel < count; pixel++) {
        output[pixel * layer->out_channels] = tml_finish(&layer->to, factor, sums[pixel]);
    }
}

/* All channels of `count` pixels whose windows stand in a scratch of `pixels`. */
TML_PART void tml_conv_pixels(const struct tml_conv *layer, const int16_t *windows, int32_t pixels, int32_t count,
                              int8_t *output)
{
    const int8_t *weights = layer->weights;
    for (int32_t channel = 0; channel < layer->out_channels; channel += 2, weights += 8 * layer->groups) {
        int32_t sums[2 * TML_CONV_PIXELS];
        const int32_t *bias = layer->bias + channel;
        if (pixels == 4) {
            tml_dot_4(weights, windows, layer->groups, bias, sums);
        } else if (pixels == 2) {
            tml_dot_2(weights, windows, layer->groups, bias, sums);
        } else {
            tml_dot_1(weights, windows, layer->groups, bias, sums);
        }
        tml_finish_pixels(layer, channel, sums, count, output + channel);
        if (layer->out_channels % 2 == 0 || channel + 1 < layer->out_channels) {
            tml_finish_pixels(layer, channel + 1, sums + pixels, count, output + channel + 1);
        }
    }
}

/* Where the next output pixel's window begins. */
struct tml_scan {
    const int8_t *image;
    int32_t x, y;
};

TML_PART void tml_gather_next(const struct tml_conv *layer, struct tml_scan *scan, struct tml_lane lane,
                              int8_t *staging)
{
    const struct tml_window *window = &layer->window;
    tml_gather(layer, scan->image, scan->y * window->stride_height - window->pad_top,
               scan->x * window->stride_width - window->pad_left, lane, staging);
    if (++scan->x == window->out_width) {
        scan->x = 0;
        if (++scan->y == window->out_height) {
            scan->y = 0;
            scan->image += window->in_height * window->in_width * window->in_channels;
        }
    }
}

/* scratch: the windows of TML_CONV_PIXELS pixels in 16 bits, then one in bytes. */
TML_KERNEL void tml_conv_2d(const struct tml_conv *layer, const int8_t *input, int8_t *output, int16_t *scratch)
{
    const struct tml_window *window = &layer->window;
    int8_t *staging = (int8_t *)(scratch + TML_CONV_PIXELS * 4 * layer->groups);
    int32_t window_bytes = window->height * window->width * window->in_channels;
    for (int32_t index = window_bytes; index < 4 * layer->groups; index++) {
        staging[index] = 0; /* filled once: the filters are zero there */
    }
    struct tml_scan scan = {input, 0, 0};
    int32_t total = window->batches * window->out_height * window->out_width;
    for (int32_t done = 0; done < total; done += TML_CONV_PIXELS) {
        int32_t count = total - done < TML_CONV_PIXELS ? total - done : TML_CONV_PIXELS;
        int32_t pixels = count == 3 ? 4 : count; /* of three, the fourth is what the scratch happens to hold */
        for (int32_t pixel = 0; pixel < count; pixel++) {
            tml_gather_next(layer, &scan, tml_lane_of(scratch, pixels, pixel, layer->groups), staging);
        }
        if (total >= 4 && count == 4) {
            tml_conv_pixels(layer, scratch, 4, 4, output);
        } else if (total % 4 == 3) {
            tml_conv_pixels(layer, scratch, 4, 3, output);
        } else if (total % 4 == 2) {
            tml_conv_pixels(layer, scratch, 2, 2, output);
        } else if (total % 4 == 1) {
            tml_conv_pixels(layer, scratch, 1, 1, output);
        }
        output += count * layer->out_channels;
    }
}

/* Rows of `depth` bytes; weights and bias as in tml_conv. */
struct tml_fully_connected {
    int32_t batches, depth, units;
    struct tml_requantise to;
    const int8_t *weights;
    const int32_t *bias;
};

TML_KERNEL void tml_fully_connected(const struct tml_fully_connected *layer, const int8_t *input, int8_t *output)
{
    int32_t filter = (layer->depth + 3) / 4 * 4;
    for (int32_t batch = 0; batch < layer->batches; batch++, input += layer->depth, output += layer->units) {
        int32_t sums[4];
        int32_t unit = 0;
        for (; unit + 4 <= layer->units; unit += 4) {
            tml_dot_bytes_4(layer->weights + unit * filter, input, layer->depth, layer->bias + unit, sums);
#pragma GCC unroll 4
            for (int32_t index = 0; index < 4; index++) {
                output[unit + index] = tml_finish(&layer->to, tml_factor(&layer->to, unit + index), sums[index]);
            }
        }
        for (; unit < layer->units; unit += 2) {
            tml_dot_bytes_2(layer->weights + unit * filter, input, layer->depth, layer->bias + unit, sums);
            output[unit] = tml_finish(&layer->to, tml_factor(&layer->to, unit), sums[0]);
            if (unit + 1 < layer->units) {
                output[unit + 1] = tml_finish(&layer->to, tml_factor(&layer->to, unit + 1), sums[1]);
            }
        }
    }
}

#endif
