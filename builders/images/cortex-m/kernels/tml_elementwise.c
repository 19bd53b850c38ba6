/* Functions of one element, copies of state, and the way from and to float32 at the model's edges. */
#include "tml_fixed_point.h"
#include "tml_kernels.h"

void tml_lookup(const struct tml_lookup_layer *layer, const int8_t *input, int8_t *output)
{
    for (int32_t index = 0; index < layer->count; index++) {
        output[index] = layer->table[(uint8_t)input[index]];
    }
}

void tml_prelu(const struct tml_prelu_layer *layer, const int8_t *input, int8_t *output)
{
    const int32_t *sizes = layer->sizes;
    for (int32_t outer = 0; outer < sizes[0] * sizes[1] * sizes[2]; outer++) {
        const int16_t *alphas = layer->alphas + outer / (sizes[1] * sizes[2]) * layer->strides[0] +
                                outer / sizes[2] % sizes[1] * layer->strides[1] + outer % sizes[2] * layer->strides[2];
        for (int32_t inner = 0; inner < sizes[3]; inner++, input++, output++, alphas += layer->strides[3]) {
            int32_t value = *input + layer->input_offset;
            value = value >= 0 ? tml_rescale(value, layer->multiplier, layer->shift)
                               : tml_rescale(value * *alphas, layer->alpha_multiplier, layer->alpha_shift);
            *output = (int8_t)tml_clamp(value + layer->output_offset, INT8_MIN, INT8_MAX);
        }
    }
}

void tml_read_variable(const struct tml_variable_layer *layer, void *output, const void *variable)
{
    __builtin_memcpy(output, variable, (uint32_t)layer->bytes);
}

void tml_assign_variable(const struct tml_variable_layer *layer, const void *input, void *variable)
{
    __builtin_memcpy(variable, input, (uint32_t)layer->bytes);
}

/* Nearest integer, halves away from zero. Beyond +-1000 the result is far outside int8 and only its side matters;
 * not-a-number, which the oracle leaves undefined, counts as low. */
static int32_t nearest(float value)
{
    if (!(value > -1000.0f)) {
        return -1000;
    }
    if (value > 1000.0f) {
        return 1000;
    }
    int32_t whole = (int32_t)value;
    float rest = value - (float)whole;
    return whole + (rest >= 0.5f) - (rest <= -0.5f);
}

void tml_quantize(const struct tml_edge_layer *layer, const float *input, int8_t *output)
{
    for (int32_t index = 0; index < layer->count; index++) {
        int32_t value = nearest(input[index] / layer->scale) + layer->zero_point;
        output[index] = (int8_t)tml_clamp(value, INT8_MIN, INT8_MAX);
    }
}

void tml_dequantize(const struct tml_edge_layer *layer, const int8_t *input, float *output)
{
    for (int32_t index = 0; index < layer->count; index++) {
        output[index] = layer->scale * (float)(input[index] - layer->zero_point);
    }
}
