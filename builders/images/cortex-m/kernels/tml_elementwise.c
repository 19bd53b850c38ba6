/* Addition, functions of one byte, and the way from and to float32 at the model's edges. */
#include "tml_fixed_point.h"
#include "tml_kernels.h"

#define TML_ADD_LEFT_SHIFT 20

static int8_t sum_of(const struct tml_add_layer *layer, int32_t a, int32_t b)
{
    int32_t scaled_a = (a + layer->offset_1) * (1 << TML_ADD_LEFT_SHIFT);
    int32_t scaled_b = (b + layer->offset_2) * (1 << TML_ADD_LEFT_SHIFT);
    int32_t sum = tml_rescale(scaled_a, layer->multiplier_1, layer->shift_1) +
                  tml_rescale(scaled_b, layer->multiplier_2, layer->shift_2);
    int32_t value = tml_rescale(sum, layer->multiplier_out, layer->shift_out) + layer->output_offset;
    return (int8_t)tml_clamp(value, layer->low, layer->high);
}

void tml_add(const struct tml_add_layer *layer, const int8_t *input_1, const int8_t *input_2, int8_t *output)
{
    for (int32_t index = 0; index < layer->count; index++) {
        output[index] = sum_of(layer, input_1[index], input_2[index]);
    }
}

void tml_add_broadcast(const struct tml_add_layer *layer, const int8_t *input_1, const int8_t *input_2,
                       int8_t *output)
{
    const int32_t *size = layer->sizes;
    const int32_t *step_1 = layer->strides_1;
    const int32_t *step_2 = layer->strides_2;
    for (int32_t n = 0; n < size[0]; n++) {
        for (int32_t y = 0; y < size[1]; y++) {
            for (int32_t x = 0; x < size[2]; x++) {
                const int8_t *a = input_1 + n * step_1[0] + y * step_1[1] + x * step_1[2];
                const int8_t *b = input_2 + n * step_2[0] + y * step_2[1] + x * step_2[2];
                for (int32_t c = 0; c < size[3]; c++) {
                    *output++ = sum_of(layer, a[c * step_1[3]], b[c * step_2[3]]);
                }
            }
        }
    }
}

void tml_lookup(const struct tml_lookup_layer *layer, const int8_t *input, int8_t *output)
{
    for (int32_t index = 0; index < layer->count; index++) {
        output[index] = layer->table[(uint8_t)input[index]];
    }
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
