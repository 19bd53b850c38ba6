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

/* The input seen as [outer, count, inner]; the maximum is over count. */
struct tml_reduce_max_layer {
    int32_t outer, count, inner;
};

void tml_reduce_max(const struct tml_reduce_max_layer *layer, const int8_t *input, int8_t *output);

struct tml_lookup_layer {
    int32_t count;
    const int8_t *table;
};

void tml_lookup(const struct tml_lookup_layer *layer, const int8_t *input, int8_t *output);

/* alphas, less their zero point, with a stride of 0 along the dimensions that they are repeated along. */
struct tml_prelu_layer {
    int32_t sizes[4], strides[4];
    int32_t input_offset, output_offset;
    int32_t multiplier, shift;
    int32_t alpha_multiplier, alpha_shift;
    const int16_t *alphas;
};

void tml_prelu(const struct tml_prelu_layer *layer, const int8_t *input, int8_t *output);

/* State that outlives the inference. */
struct tml_variable_layer {
    int32_t bytes;
};

void tml_read_variable(const struct tml_variable_layer *layer, void *output, const void *variable);
void tml_assign_variable(const struct tml_variable_layer *layer, const void *input, void *variable);

struct tml_edge_layer {
    int32_t count;
    float scale;
    int32_t zero_point;
};

void tml_quantize(const struct tml_edge_layer *layer, const float *input, int8_t *output);
void tml_dequantize(const struct tml_edge_layer *layer, const int8_t *input, float *output);

#endif
