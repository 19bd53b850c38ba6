/* Depthwise convolution: each output channel sees one input channel. */
#include "tml_fixed_point.h"
#include "tml_kernels.h"
#include "tml_simd.h"

/* The part of the window that lies inside the input, for one output pixel. */
struct patch {
    const int8_t *input;   /* its first pixel */
    const int8_t *weights; /* the weights of that pixel */
    int32_t rows, columns;
    int32_t input_row, input_column;   /* bytes from one to the next */
    int32_t weights_row, weights_column;
};

/* First index of a window at `start` that is not before the input. */
static int32_t first_inside(int32_t start, int32_t dilation)
{
    return start < 0 ? (-start + dilation - 1) / dilation : 0;
}

/* One past the last index of a window at `start` that is inside an input of `size`. */
static int32_t end_inside(int32_t start, int32_t dilation, int32_t size, int32_t window)
{
    int32_t end = start < size ? (size - start + dilation - 1) / dilation : 0;
    return end < window ? end : window;
}

static struct patch inside(const struct tml_depthwise *layer, const int8_t *image, int32_t out_y, int32_t out_x)
{
    const struct tml_window *window = &layer->window;
    int32_t y = out_y * window->stride_height - window->pad_top;
    int32_t x = out_x * window->stride_width - window->pad_left;
    int32_t first_row = first_inside(y, window->dilation_height);
    int32_t first_column = first_inside(x, window->dilation_width);
    y += first_row * window->dilation_height;
    x += first_column * window->dilation_width;
    struct patch patch = {
        .input = image + (y * window->in_width + x) * window->in_channels,
        .weights = layer->weights + (first_row * window->width + first_column) * layer->out_channels,
        .rows = end_inside(y, window->dilation_height, window->in_height, window->height - first_row),
        .columns = end_inside(x, window->dilation_width, window->in_width, window->width - first_column),
        .input_row = window->dilation_height * window->in_width * window->in_channels,
        .input_column = window->dilation_width * window->in_channels,
        .weights_row = window->width * layer->out_channels,
        .weights_column = layer->out_channels,
    };
    return patch;
}

static int8_t finish(const struct tml_depthwise *layer, int32_t channel, int32_t sum)
{
    int32_t step = channel * layer->channel_step;
    int32_t value = tml_rescale(sum, layer->multiplier[step], layer->shift[step]) + layer->output_offset;
    return (int8_t)tml_clamp(value, layer->low, layer->high);
}

static int8_t one_channel(const struct tml_depthwise *layer, const struct patch *patch, int32_t in, int32_t out)
{
    int32_t sum = layer->bias[out];
    for (int32_t row = 0; row < patch->rows; row++) {
        const int8_t *input = patch->input + row * patch->input_row + in;
        const int8_t *weights = patch->weights + row * patch->weights_row + out;
        for (int32_t column = 0; column < patch->columns; column++) {
            sum += (*input + layer->input_offset) * *weights;
            input += patch->input_column;
            weights += patch->weights_column;
        }
    }
    return finish(layer, out, sum);
}

#if TML_DSP
/* Four neighbouring channels, where input and output channels are the same. */
static void four_channels(const struct tml_depthwise *layer, const struct patch *patch, int32_t channel, int8_t *output)
{
    uint32_t offsets = ((uint32_t)layer->input_offset & 0xFFFFu) | (uint32_t)layer->input_offset << 16;
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
    output[channel] = finish(layer, channel, sum_0);
    output[channel + 1] = finish(layer, channel + 1, sum_1);
    output[channel + 2] = finish(layer, channel + 2, sum_2);
    output[channel + 3] = finish(layer, channel + 3, sum_3);
}
#endif

static void one_pixel(const struct tml_depthwise *layer, const struct patch *patch, int8_t *output)
{
    int32_t out = 0;
#if TML_DSP
    if (layer->channel_multiplier == 1) {
        for (; out + 4 <= layer->out_channels; out += 4) {
            four_channels(layer, patch, out, output);
        }
    }
#endif
    for (; out < layer->out_channels; out++) {
        output[out] = one_channel(layer, patch, out / layer->channel_multiplier, out);
    }
}

void tml_depthwise_conv_2d(const struct tml_depthwise *layer, const int8_t *input, int8_t *output)
{
    const struct tml_window *window = &layer->window;
    int32_t image = window->in_height * window->in_width * window->in_channels;
    for (int32_t batch = 0; batch < window->batches; batch++, input += image) {
        for (int32_t y = 0; y < window->out_height; y++) {
            for (int32_t x = 0; x < window->out_width; x++, output += layer->out_channels) {
                struct patch patch = inside(layer, input, y, x);
                one_pixel(layer, &patch, output);
            }
        }
    }
}
