/* Maximum over the middle of [outer, count, inner]. */
#include "tml_kernels.h"

void tml_reduce_max(const struct tml_reduce_max_layer *layer, const int8_t *input, int8_t *output)
{
    for (int32_t outer = 0; outer < layer->outer; outer++, input += layer->count * layer->inner) {
        for (int32_t inner = 0; inner < layer->inner; inner++) {
            int8_t most = input[inner];
            for (int32_t index = 1; index < layer->count; index++) {
                int8_t value = input[inner + index * layer->inner];
                most = value > most ? value : most;
            }
            *output++ = most;
        }
    }
}
