/* Mean over the middle of [outer, count, inner]. */
#include "tml_fixed_point.h"
#include "tml_kernels.h"

static int32_t sum_of(const int8_t *input, int32_t count, int32_t step)
{
    int32_t sum = 0;
    for (int32_t index = 0; index < count; index++) {
        sum += input[index * step];
    }
    return sum;
}

void tml_mean(const struct tml_mean_layer *layer, const int8_t *input, int8_t *output)
{
    for (int32_t outer = 0; outer < layer->outer; outer++, input += layer->count * layer->inner) {
        for (int32_t inner = 0; inner < layer->inner; inner++) {
            int32_t sum = sum_of(input + inner, layer->count, layer->inner) + layer->input_offset * layer->count;
            int32_t value = tml_rescale(sum, layer->multiplier, layer->shift) + layer->output_offset;
            *output++ = (int8_t)tml_clamp(value, INT8_MIN, INT8_MAX);
        }
    }
}
