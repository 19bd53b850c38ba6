/* From a 32-bit sum to an output byte: multiply, round, shift, add the zero point, clamp. */
#ifndef TML_REQUANTISE_H
#define TML_REQUANTISE_H

#include "tml_fixed_point.h"
#include "tml_simd.h"
#include "tml_specialise.h"

/* multiplier holds twice the Q0.31 multiplier, modulo 2^32; shift holds how far to shift right.
 *
 * plain is 0 where every shift is at least 1 and no sum plus rounding leaves 32 bits: then the zero point is added
 * before the shift. negatives is 0 where a negative value ends at `low` anyway, so that its rounding does not matter.
 * The steps are 1 where an array has an element for each channel, 0 where all channels share one. */
struct tml_requantise {
    const int32_t *multiplier;
    const int8_t *shift;
    int32_t multiplier_step, shift_step;
    int32_t output_offset, low, high;
    int32_t plain, negatives;
};

/* One channel's share of it, in registers while several pixels pass. */
struct tml_factor {
    int32_t multiplier, shift, rounding;
};

TML_PART struct tml_factor tml_factor(const struct tml_requantise *to, int32_t channel)
{
    struct tml_factor factor;
    factor.multiplier = to->multiplier[channel * to->multiplier_step];
    factor.shift = to->shift[channel * to->shift_step];
    factor.rounding = to->plain ? 0 : (int32_t)((uint32_t)(2 * to->output_offset + 1) << (factor.shift - 1));
    return factor;
}

TML_PART int8_t tml_finish(const struct tml_requantise *to, struct tml_factor factor, int32_t sum)
{
    int32_t value;
    if (to->plain) {
        value = tml_rescale(sum, (int32_t)((uint32_t)factor.multiplier >> 1), -factor.shift) + to->output_offset;
        return (int8_t)tml_clamp(value, to->low, to->high);
    }
    value = tml_scale(sum, factor.multiplier);
    if (to->negatives) {
        value += value >> 31; /* halves away from zero */
    }
    value = value + factor.rounding;
    if (to->low == INT8_MIN && to->high == INT8_MAX) {
        return (int8_t)tml_shift_saturate(value, factor.shift);
    }
    return (int8_t)tml_clamp(value >> factor.shift, to->low, to->high);
}

#if TML_MVE
/* Four sums of one channel: as tml_finish, not yet narrowed to bytes. */
TML_PART int32x4_t tml_finish_four(const struct tml_requantise *to, struct tml_factor factor, int32x4_t sums)
{
    if (to->plain) {
        int32_t values[4];
        vstrwq_s32(values, sums);
        for (int32_t index = 0; index < 4; index++) {
            values[index] = tml_finish(to, factor, values[index]);
        }
        return vldrwq_s32(values);
    }
    int32x4_t values = vqrdmulhq_n_s32(sums, (int32_t)((uint32_t)factor.multiplier >> 1));
    if (to->negatives) {
        values = vaddq_s32(values, vshrq_n_s32(values, 31)); /* halves away from zero */
    }
    values = vshlq_r_s32(vaddq_n_s32(values, factor.rounding), -factor.shift);
    return vminq_s32(vmaxq_s32(values, vdupq_n_s32(to->low)), vdupq_n_s32(to->high));
}

/* The first `count` (four at the most) values as bytes, `apart` bytes from one to the next. */
TML_PART void tml_store_apart(int8_t *to, int32x4_t values, int32_t apart, int32_t count)
{
    uint32x4_t places = vmulq_n_u32(vidupq_n_u32(0, 1), (uint32_t)apart);
    if (count >= 4) {
        vstrbq_scatter_offset_s32(to, places, values);
    } else {
        vstrbq_scatter_offset_p_s32(to, places, values, vctp32q((uint32_t)count));
    }
}
#endif

#endif
