/* See tml_dot.h. The loops in assembly hold eight sums, two words of each operand and two pointers: all registers. */
#include "tml_dot.h"

#include "tml_simd.h"

#if !TML_MVE

#if defined(__ARM_FEATURE_DSP)

/* One half of a group: two lanes of both filters and of four windows. `rotate` picks lanes 0 and 2, or 1 and 3. */
#define HALF_GROUP(rotate)                                                                                             \
    "sxtb16 r10, r10" rotate "\n"                                                                                      \
    "sxtb16 r11, r11" rotate "\n"                                                                                      \
    "ldrd r12, lr, [r1], #8\n"                                                                                         \
    "smlad r2, r10, r12, r2\n"                                                                                         \
    "smlad r6, r11, r12, r6\n"                                                                                         \
    "smlad r3, r10, lr, r3\n"                                                                                          \
    "smlad r7, r11, lr, r7\n"                                                                                          \
    "ldrd r12, lr, [r1], #8\n"                                                                                         \
    "smlad r4, r10, r12, r4\n"                                                                                         \
    "smlad r8, r11, r12, r8\n"                                                                                         \
    "smlad r5, r10, lr, r5\n"                                                                                          \
    "smlad r9, r11, lr, r9\n"

#define GROUP                                                                                                          \
    "ldrd r10, r11, [r0]\n" HALF_GROUP("") "ldrd r10, r11, [r0], #8\n" HALF_GROUP(", ror #8")

__attribute__((naked)) void tml_dot_4(const int8_t *filters, const int16_t *windows, int32_t groups,
                                      const int32_t *bias, int32_t *sums)
{
    (void)filters, (void)windows, (void)groups, (void)bias, (void)sums;
    __asm__("push {r4-r11, lr}\n" /* sums are now at sp + 36 */
            "sub sp, sp, #4\n"
            "add r12, r0, r2, lsl #3\n" /* the end of the filters */
            "str r12, [sp]\n"
            "tst r2, #1\n"
            "ldrd r2, r6, [r3]\n"
            "mov r3, r2\n"
            "mov r4, r2\n"
            "mov r5, r2\n"
            "mov r7, r6\n"
            "mov r8, r6\n"
            "mov r9, r6\n"
            "bne 2f\n" /* an odd number of groups begins in the middle */
            "1:\n" GROUP "2:\n" GROUP "ldr r12, [sp]\n"
            "cmp r0, r12\n"
            "bne 1b\n"
            "ldr r12, [sp, #40]\n"
            "stmia r12, {r2-r9}\n"
            "add sp, sp, #4\n"
            "pop {r4-r11, pc}\n");
}

#elif TML_DSP

void tml_dot_4(const int8_t *filters, const int16_t *windows, int32_t groups, const int32_t *bias, int32_t *sums)
{
    for (int32_t index = 0; index < 8; index++) {
        sums[index] = bias[index / 4];
    }
    for (; groups > 0; groups--, filters += 8, windows += 16) {
        for (int32_t index = 0; index < 8; index++) {
            uint32_t bytes = tml_load(filters + index / 4 * 4);
            sums[index] = tml_dot(tml_even(bytes), tml_load(windows + index % 4 * 2), sums[index]);
            sums[index] = tml_dot(tml_odd(bytes), tml_load(windows + 8 + index % 4 * 2), sums[index]);
        }
    }
}

#endif

#if TML_DSP

void tml_dot_2(const int8_t *filters, const int16_t *windows, int32_t groups, const int32_t *bias, int32_t *sums)
{
    const int8_t *end = filters + 8 * groups;
    int32_t sum_00 = bias[0], sum_01 = bias[0], sum_10 = bias[1], sum_11 = bias[1];
    while (filters != end) {
        struct tml_words bytes = tml_load_two(filters);
        struct tml_words lanes = tml_load_two(windows);
        uint32_t first = tml_even(bytes.first);
        uint32_t second = tml_even(bytes.second);
        sum_00 = tml_dot(first, lanes.first, sum_00);
        sum_01 = tml_dot(first, lanes.second, sum_01);
        sum_10 = tml_dot(second, lanes.first, sum_10);
        sum_11 = tml_dot(second, lanes.second, sum_11);
        lanes = tml_load_two(windows + 4);
        first = tml_odd(bytes.first);
        second = tml_odd(bytes.second);
        sum_00 = tml_dot(first, lanes.first, sum_00);
        sum_01 = tml_dot(first, lanes.second, sum_01);
        sum_10 = tml_dot(second, lanes.first, sum_10);
        sum_11 = tml_dot(second, lanes.second, sum_11);
        filters += 8;
        windows += 8;
    }
    sums[0] = sum_00;
    sums[1] = sum_01;
    sums[2] = sum_10;
    sums[3] = sum_11;
}

void tml_dot_1(const int8_t *filters, const int16_t *windows, int32_t groups, const int32_t *bias, int32_t *sums)
{
    const int8_t *end = filters + 8 * groups;
    int32_t sum_0 = bias[0], sum_1 = bias[1];
    while (filters != end) {
        struct tml_words bytes = tml_load_two(filters);
        struct tml_words lanes = tml_load_two(windows);
        sum_0 = tml_dot(tml_even(bytes.first), lanes.first, sum_0);
        sum_1 = tml_dot(tml_even(bytes.second), lanes.first, sum_1);
        sum_0 = tml_dot(tml_odd(bytes.first), lanes.second, sum_0);
        sum_1 = tml_dot(tml_odd(bytes.second), lanes.second, sum_1);
        filters += 8;
        windows += 4;
    }
    sums[0] = sum_0;
    sums[1] = sum_1;
}

/* Up to four bytes as a word; the rest is zero. */
static uint32_t last_group(const int8_t *vector, int32_t count)
{
    uint32_t word = 0;
    for (int32_t index = 0; index < count; index++) {
        word |= (uint32_t)(uint8_t)vector[index] << (8 * index);
    }
    return word;
}

/* One group of a pair of filters, and the vector's word. */
static inline void pair_step(const int8_t *filters, uint32_t even, uint32_t odd, int32_t *sum_0, int32_t *sum_1)
{
    struct tml_words bytes = tml_load_two(filters);
    *sum_0 = tml_dot(tml_even(bytes.first), even, *sum_0);
    *sum_1 = tml_dot(tml_even(bytes.second), even, *sum_1);
    *sum_0 = tml_dot(tml_odd(bytes.first), odd, *sum_0);
    *sum_1 = tml_dot(tml_odd(bytes.second), odd, *sum_1);
}

#if defined(__ARM_FEATURE_DSP)

/* One word of filters against the vector's four bytes, in r8 (even) and r9 (odd). */
#define ONE_FILTER(word, sum)                                                                                          \
    "sxtb16 r12, " word "\n"                                                                                           \
    "smlad " sum ", r12, r8, " sum "\n"                                                                                \
    "sxtb16 r12, " word ", ror #8\n"                                                                                   \
    "smlad " sum ", r12, r9, " sum "\n"

#define FOUR_FILTERS                                                                                                   \
    "ldr r8, [r2], #4\n"                                                                                               \
    "sxtb16 r9, r8, ror #8\n"                                                                                          \
    "sxtb16 r8, r8\n"                                                                                                  \
    "ldrd r10, r11, [r0], #8\n" ONE_FILTER("r10", "r4") ONE_FILTER("r11", "r5")                                        \
    "ldrd r10, r11, [r1], #8\n" ONE_FILTER("r10", "r6") ONE_FILTER("r11", "r7")

/* At least one group; adds to the sums. */
__attribute__((naked)) static void whole_groups(const int8_t *filters, const int8_t *next, const int8_t *vector,
                                                int32_t groups, int32_t *sums)
{
    (void)filters, (void)next, (void)vector, (void)groups, (void)sums;
    __asm__("push {r4-r11, lr}\n"
            "ldr lr, [sp, #36]\n"
            "ldmia lr, {r4-r7}\n"
            "tst r3, #1\n"
            "add r3, r0, r3, lsl #3\n"
            "bne 2f\n" /* an odd number of groups begins in the middle */
            "1:\n" FOUR_FILTERS "2:\n" FOUR_FILTERS "cmp r0, r3\n"
            "bne 1b\n"
            "stmia lr, {r4-r7}\n"
            "pop {r4-r11, pc}\n");
}

#else

static void whole_groups(const int8_t *filters, const int8_t *next, const int8_t *vector, int32_t groups,
                         int32_t *sums)
{
    for (; groups > 0; groups--, filters += 8, next += 8, vector += 4) {
        uint32_t bytes = tml_load(vector);
        pair_step(filters, tml_even(bytes), tml_odd(bytes), &sums[0], &sums[1]);
        pair_step(next, tml_even(bytes), tml_odd(bytes), &sums[2], &sums[3]);
    }
}

#endif

void tml_dot_bytes_4(const int8_t *filters, const int8_t *vector, int32_t depth, const int32_t *bias, int32_t *sums)
{
    const int8_t *next = filters + (depth + 3) / 4 * 8;
    for (int32_t index = 0; index < 4; index++) {
        sums[index] = bias[index];
    }
    if (depth >= 4) {
        whole_groups(filters, next, vector, depth / 4, sums);
    }
    if (depth % 4) {
        uint32_t bytes = last_group(vector + depth / 4 * 4, depth % 4);
        pair_step(filters + depth / 4 * 8, tml_even(bytes), tml_odd(bytes), &sums[0], &sums[1]);
        pair_step(next + depth / 4 * 8, tml_even(bytes), tml_odd(bytes), &sums[2], &sums[3]);
    }
}

void tml_dot_bytes_2(const int8_t *filters, const int8_t *vector, int32_t depth, const int32_t *bias, int32_t *sums)
{
    const int8_t *end = filters + depth / 4 * 8;
    int32_t sum_0 = bias[0], sum_1 = bias[1];
    for (; filters != end; filters += 8, vector += 4) {
        uint32_t bytes = tml_load(vector);
        pair_step(filters, tml_even(bytes), tml_odd(bytes), &sum_0, &sum_1);
    }
    if (depth % 4) {
        uint32_t bytes = last_group(vector, depth % 4);
        pair_step(filters, tml_even(bytes), tml_odd(bytes), &sum_0, &sum_1);
    }
    sums[0] = sum_0;
    sums[1] = sum_1;
}

#else

void tml_dot_1(const int8_t *filters, const int16_t *windows, int32_t groups, const int32_t *bias, int32_t *sums)
{
    int32_t sum_0 = bias[0], sum_1 = bias[1];
    for (; groups > 0; groups--, filters += 8, windows += 4) {
#pragma GCC unroll 4
        for (int32_t index = 0; index < 4; index++) {
            sum_0 += filters[index] * windows[index];
            sum_1 += filters[4 + index] * windows[index];
        }
    }
    sums[0] = sum_0;
    sums[1] = sum_1;
}

void tml_dot_2(const int8_t *filters, const int16_t *windows, int32_t groups, const int32_t *bias, int32_t *sums)
{
    const int16_t *other = windows + 4 * groups;
    int32_t sum_00 = bias[0], sum_01 = bias[0], sum_10 = bias[1], sum_11 = bias[1];
    for (; groups > 0; groups--, filters += 8, windows += 4, other += 4) {
#pragma GCC unroll 4
        for (int32_t index = 0; index < 4; index++) {
            int32_t first = filters[index];
            int32_t second = filters[4 + index];
            sum_00 += first * windows[index];
            sum_01 += first * other[index];
            sum_10 += second * windows[index];
            sum_11 += second * other[index];
        }
    }
    sums[0] = sum_00;
    sums[1] = sum_01;
    sums[2] = sum_10;
    sums[3] = sum_11;
}

void tml_dot_4(const int8_t *filters, const int16_t *windows, int32_t groups, const int32_t *bias, int32_t *sums)
{
    int32_t later[4];
    tml_dot_2(filters, windows, groups, bias, sums);
    tml_dot_2(filters, windows + 8 * groups, groups, bias, later);
    sums[4] = sums[2];
    sums[5] = sums[3];
    sums[2] = later[0];
    sums[3] = later[1];
    sums[6] = later[2];
    sums[7] = later[3];
}

void tml_dot_bytes_2(const int8_t *filters, const int8_t *vector, int32_t depth, const int32_t *bias, int32_t *sums)
{
    int32_t sum_0 = bias[0], sum_1 = bias[1];
    for (; depth >= 4; depth -= 4, filters += 8, vector += 4) {
#pragma GCC unroll 4
        for (int32_t index = 0; index < 4; index++) {
            sum_0 += filters[index] * vector[index];
            sum_1 += filters[4 + index] * vector[index];
        }
    }
    for (int32_t index = 0; index < depth; index++) {
        sum_0 += filters[index] * vector[index];
        sum_1 += filters[4 + index] * vector[index];
    }
    sums[0] = sum_0;
    sums[1] = sum_1;
}

void tml_dot_bytes_4(const int8_t *filters, const int8_t *vector, int32_t depth, const int32_t *bias, int32_t *sums)
{
    tml_dot_bytes_2(filters, vector, depth, bias, sums);
    tml_dot_bytes_2(filters + (depth + 3) / 4 * 8, vector, depth, bias + 2, sums + 2);
}

#endif

#endif
