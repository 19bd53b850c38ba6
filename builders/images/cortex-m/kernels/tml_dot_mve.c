/* See tml_dot.h: the same with vectors. What VLD2 takes apart is how pairs of filters are stored. */
#include "tml_dot.h"

#include "tml_simd.h"

#if TML_MVE

/* Sixteen elements of a pair of filters: the words of the one and of the other stand in turns. */
struct pair {
    int8x16_t first, second;
};

static inline struct pair load_pair(const int8_t *filters)
{
    int32x4x2_t words = vld2q_s32((const int32_t *)(const void *)filters);
    struct pair pair = {vreinterpretq_s8_s32(words.val[0]), vreinterpretq_s8_s32(words.val[1])};
    return pair;
}

/* The same of the last `groups` (fewer than four) groups of a filter; the rest is zero. */
static inline struct pair load_last(const int8_t *filters, int32_t groups)
{
    const int32_t *words = (const int32_t *)(const void *)filters;
    uint32x4_t places = vidupq_n_u32(0, 2);
    mve_pred16_t there = vctp32q((uint32_t)groups);
    struct pair pair = {vreinterpretq_s8_s32(vldrwq_gather_shifted_offset_z_s32(words, places, there)),
                        vreinterpretq_s8_s32(vldrwq_gather_shifted_offset_z_s32(words + 1, places, there))};
    return pair;
}

/* A pair of filters and windows of `bytes` bytes that stand `apart`; sums of the first filter, then of the second. */
static inline __attribute__((always_inline)) void dot(const int8_t *filters, const int8_t *windows, int32_t bytes,
                                                      int32_t apart, int32_t pixels, const int32_t *bias,
                                                      int32_t *sums)
{
    int32_t first[4], second[4];
#pragma GCC unroll 4
    for (int32_t pixel = 0; pixel < pixels; pixel++) {
        first[pixel] = bias[0];
        second[pixel] = bias[1];
    }
    for (; bytes >= 16; bytes -= 16, filters += 32, windows += 16) {
        struct pair pair = load_pair(filters);
#pragma GCC unroll 4
        for (int32_t pixel = 0; pixel < pixels; pixel++) {
            int8x16_t window = vldrbq_s8(windows + pixel * apart);
            first[pixel] = vmladavaq_s8(first[pixel], pair.first, window);
            second[pixel] = vmladavaq_s8(second[pixel], pair.second, window);
        }
    }
    if (bytes > 0) {
        struct pair pair = load_last(filters, (bytes + 3) / 4);
        mve_pred16_t there = vctp8q((uint32_t)bytes);
#pragma GCC unroll 4
        for (int32_t pixel = 0; pixel < pixels; pixel++) {
            int8x16_t window = vldrbq_z_s8(windows + pixel * apart, there);
            first[pixel] = vmladavaq_s8(first[pixel], pair.first, window);
            second[pixel] = vmladavaq_s8(second[pixel], pair.second, window);
        }
    }
#pragma GCC unroll 4
    for (int32_t pixel = 0; pixel < pixels; pixel++) {
        sums[pixel] = first[pixel];
        sums[pixels + pixel] = second[pixel];
    }
}

void tml_dot_4(const int8_t *filters, const int16_t *windows, int32_t groups, const int32_t *bias, int32_t *sums)
{
    dot(filters, (const int8_t *)windows, 4 * groups, 4 * groups, 4, bias, sums);
}

void tml_dot_2(const int8_t *filters, const int16_t *windows, int32_t groups, const int32_t *bias, int32_t *sums)
{
    dot(filters, (const int8_t *)windows, 4 * groups, 4 * groups, 2, bias, sums);
}

void tml_dot_1(const int8_t *filters, const int16_t *windows, int32_t groups, const int32_t *bias, int32_t *sums)
{
    dot(filters, (const int8_t *)windows, 4 * groups, 0, 1, bias, sums);
}

void tml_dot_bytes_2(const int8_t *filters, const int8_t *vector, int32_t depth, const int32_t *bias, int32_t *sums)
{
    dot(filters, vector, depth, 0, 1, bias, sums);
}

void tml_dot_bytes_4(const int8_t *filters, const int8_t *vector, int32_t depth, const int32_t *bias, int32_t *sums)
{
    const int8_t *next = filters + (depth + 3) / 4 * 8;
    int32_t sum_0 = bias[0], sum_1 = bias[1], sum_2 = bias[2], sum_3 = bias[3];
    for (; depth >= 16; depth -= 16, filters += 32, next += 32, vector += 16) {
        int8x16_t bytes = vldrbq_s8(vector);
        struct pair pair = load_pair(filters);
        sum_0 = vmladavaq_s8(sum_0, pair.first, bytes);
        sum_1 = vmladavaq_s8(sum_1, pair.second, bytes);
        pair = load_pair(next);
        sum_2 = vmladavaq_s8(sum_2, pair.first, bytes);
        sum_3 = vmladavaq_s8(sum_3, pair.second, bytes);
    }
    if (depth > 0) {
        int8x16_t bytes = vldrbq_z_s8(vector, vctp8q((uint32_t)depth));
        struct pair pair = load_last(filters, (depth + 3) / 4);
        sum_0 = vmladavaq_s8(sum_0, pair.first, bytes);
        sum_1 = vmladavaq_s8(sum_1, pair.second, bytes);
        pair = load_last(next, (depth + 3) / 4);
        sum_2 = vmladavaq_s8(sum_2, pair.first, bytes);
        sum_3 = vmladavaq_s8(sum_3, pair.second, bytes);
    }
    sums[0] = sum_0;
    sums[1] = sum_1;
    sums[2] = sum_2;
    sums[3] = sum_3;
}

#endif
