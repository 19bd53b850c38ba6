/* Int8 kernels of the model runtime: what generated code calls. Static memory, no heap, no state.
 *
 * Tensors are NHWC. Arithmetic is bit for bit that of the pinned oracle (tflite-micro), with wrapping overflow:
 * compile with -fwrapv. Parameters come from the generator, which has checked them. */
#ifndef TML_KERNELS_H
#define TML_KERNELS_H

#include <stdint.h>

/* A window that slides over the height and width of the input. */
struct tml_window {
    int32_t batches;
    int32_t in_height, in_width, in_channels;
    int32_t out_height, out_width;
    int32_t height, width;
    int32_t stride_height, stride_width;
    int32_t dilation_height, dilation_width;
    int32_t pad_top, pad_left;
};

/* Weights are rows of row_length (a multiple of 4, zero-filled); in each group of four the second and third
 * change places. multiplier and shift have one element (channel_step 0) or one for each channel (1). */
struct tml_conv {
    struct tml_window window;
    int32_t out_channels, row_length;
    int32_t input_offset, output_offset, low, high;
    int32_t channel_step;
    const int8_t *weights;
    const int32_t *bias;
    const int32_t *multiplier;
    const int8_t *shift;
};

/* columns: scratch for the windows of two output pixels, 2 * row_length elements. */
void tml_conv_2d(const struct tml_conv *layer, const int8_t *input, int8_t *output, int16_t *columns);

/* Weights are [height, width, out_channels]. */
struct tml_depthwise {
    struct tml_window window;
    int32_t out_channels, channel_multiplier;
    int32_t input_offset, output_offset, low, high;
    int32_t channel_step;
    const int8_t *weights;
    const int32_t *bias;
    const int32_t *multiplier;
    const int8_t *shift;
};

void tml_depthwise_conv_2d(const struct tml_depthwise *layer, const int8_t *input, int8_t *output);

struct tml_pool {
    struct tml_window window;
    int32_t low, high;
};

void tml_average_pool_2d(const struct tml_pool *layer, const int8_t *input, int8_t *output);
void tml_max_pool_2d(const struct tml_pool *layer, const int8_t *input, int8_t *output);

/* count is for tml_add; sizes and strides (0 where an input repeats) for tml_add_broadcast. */
struct tml_add_layer {
    int32_t count;
    int32_t sizes[4], strides_1[4], strides_2[4];
    int32_t offset_1, offset_2, output_offset, low, high;
    int32_t multiplier_1, multiplier_2, multiplier_out;
    int32_t shift_1, shift_2, shift_out;
};

void tml_add(const struct tml_add_layer *layer, const int8_t *input_1, const int8_t *input_2, int8_t *output);
void tml_add_broadcast(const struct tml_add_layer *layer, const int8_t *input_1, const int8_t *input_2,
                       int8_t *output);

/* exponentials: exp(-difference) in Q0.31 for the 256 differences from a row's maximum. */
struct tml_softmax_layer {
    int32_t rows, depth;
    const int32_t *exponentials;
};

void tml_softmax(const struct tml_softmax_layer *layer, const int8_t *input, int8_t *output);

/* The input seen as [outer, count, inner]; the mean is over count. */
struct tml_mean_layer {
    int32_t outer, count, inner;
    int32_t input_offset, output_offset;
    int32_t multiplier, shift;
};

void tml_mean(const struct tml_mean_layer *layer, const int8_t *input, int8_t *output);

struct tml_lookup_layer {
    int32_t count;
    const int8_t *table;
};

void tml_lookup(const struct tml_lookup_layer *layer, const int8_t *input, int8_t *output);

struct tml_edge_layer {
    int32_t count;
    float scale;
    int32_t zero_point;
};

void tml_quantize(const struct tml_edge_layer *layer, const float *input, int8_t *output);
void tml_dequantize(const struct tml_edge_layer *layer, const int8_t *input, float *output);

#endif
