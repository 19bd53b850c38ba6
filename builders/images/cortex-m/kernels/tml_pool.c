/* Average and maximum over a sliding window; padding takes no part. */
#include "tml_fixed_point.h"
#include "tml_kernels.h"

struct range {
    int32_t first, end;
};

static struct range inside(int32_t out, int32_t stride, int32_t pad, int32_t window, int32_t size)
{
    int32_t start = out * stride - pad;
    struct range range = {start < 0 ? 0 : start, start + window < size ? start + window : size};
    return range;
}

typedef int32_t reduce(const int8_t *input, struct range rows, struct range columns, int32_t width, int32_t channels);

static int32_t average(const int8_t *input, struct range rows, struct range columns, int32_t width, int32_t channels)
{
    int32_t sum = 0;
    for (int32_t y = rows.first; y < rows.end; y++) {
        for (int32_t x = columns.first; x < columns.end; x++) {
            sum += input[(y * width + x) * channels];
        }
    }
    int32_t count = (rows.end - rows.first) * (columns.end - columns.first);
    return (sum > 0 ? sum + count / 2 : sum - count / 2) / count;
}

static int32_t maximum(const int8_t *input, struct range rows, struct range columns, int32_t width, int32_t channels)
{
    int32_t most = INT8_MIN;
    for (int32_t y = rows.first; y < rows.end; y++) {
        for (int32_t x = columns.first; x < columns.end; x++) {
            int32_t value = input[(y * width + x) * channels];
            most = value > most ? value : most;
        }
    }
    return most;
}

static void pool(const struct tml_pool *layer, const int8_t *input, int8_t *output, reduce *reduce_window)
{
    const struct tml_window *window = &layer->window;
    int32_t channels = window->in_channels;
    int32_t image = window->in_height * window->in_width * channels;
    for (int32_t batch = 0; batch < window->batches; batch++, input += image) {
        for (int32_t y = 0; y < window->out_height; y++) {
            struct range rows =
                inside(y, window->stride_height, window->pad_top, window->height, window->in_height);
            for (int32_t x = 0; x < window->out_width; x++) {
                struct range columns =
                    inside(x, window->stride_width, window->pad_left, window->width, window->in_width);
                for (int32_t channel = 0; channel < channels; channel++) {
                    int32_t value = reduce_window(input + channel, rows, columns, window->in_width, channels);
                    *output++ = (int8_t)tml_clamp(value, layer->low, layer->high);
                }
            }
        }
    }
}

void tml_average_pool_2d(const struct tml_pool *layer, const int8_t *input, int8_t *output)
{
    pool(layer, input, output, average);
}

void tml_max_pool_2d(const struct tml_pool *layer, const int8_t *input, int8_t *output)
{
    pool(layer, input, output, maximum);
}
