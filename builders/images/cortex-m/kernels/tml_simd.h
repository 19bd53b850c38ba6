/* Two 16-bit lanes in a 32-bit word: the instructions of Arm's DSP extension, or the same in plain C.
 *
 * TML_DSP selects the kernels' paths that use them. TML_EMULATE_DSP compiles those paths for any processor, so that
 * tests on a workstation cover them. */
#ifndef TML_SIMD_H
#define TML_SIMD_H

#include <stdint.h>

#if defined(__ARM_FEATURE_DSP) || defined(TML_EMULATE_DSP)
#define TML_DSP 1
#else
#define TML_DSP 0
#endif

/* Vectors of 128 bits: Armv8.1-M's Helium. */
#if defined(__ARM_FEATURE_MVE)
#define TML_MVE 1
#include <arm_mve.h>
#else
#define TML_MVE 0
#endif

/* sum * multiplier / 2^32, rounded to nearest, halves up; the multiplier is unsigned, 2^31 at the least or 0 for 0. */
static inline int32_t tml_scale(int32_t sum, int32_t multiplier)
{
#if defined(__ARM_FEATURE_DSP)
    /* The multiplier's sign bit weighs 2^32 instead of -2^32: sum is added once more. */
    int32_t result;
    __asm__("smmlar %0, %1, %2, %1" : "=r"(result) : "r"(sum), "r"(multiplier));
    return result;
#else
    int32_t half = (int32_t)((uint32_t)multiplier >> 1);
    return (int32_t)(((int64_t)sum * half + (1 << 30)) >> 31);
#endif
}

/* value / 2^shift, limited to a signed byte. */
static inline __attribute__((always_inline)) int32_t tml_shift_saturate(int32_t value, int32_t shift)
{
#if defined(__arm__)
    int32_t result;
    if (__builtin_constant_p(shift) && shift >= 1 && shift <= 31) {
        __asm__("ssat %0, #8, %1, asr %2" : "=r"(result) : "r"(value), "I"(shift));
    } else {
        __asm__("ssat %0, #8, %1" : "=r"(result) : "r"(value >> shift));
    }
    return result;
#else
    int32_t shifted = value >> shift;
    return shifted < INT8_MIN ? INT8_MIN : shifted > INT8_MAX ? INT8_MAX : shifted;
#endif
}

#if TML_DSP

/* Two words in one load: the address is a multiple of 4. */
struct tml_words {
    uint32_t first, second;
};

static inline struct tml_words tml_load_two(const void *from)
{
    struct tml_words words;
    __builtin_memcpy(&words, __builtin_assume_aligned(from, 4), sizeof words);
    return words;
}

/* A word from any address: these cores load unaligned words. */
static inline uint32_t tml_load(const void *from)
{
    uint32_t word;
    __builtin_memcpy(&word, from, sizeof word);
    return word;
}

static inline void tml_store(void *to, uint32_t word)
{
    __builtin_memcpy(to, &word, sizeof word);
}

#if defined(__ARM_FEATURE_DSP)

/* Bytes 0 and 2, sign-extended into two lanes. */
static inline uint32_t tml_even(uint32_t bytes)
{
    uint32_t lanes;
    __asm__("sxtb16 %0, %1" : "=r"(lanes) : "r"(bytes));
    return lanes;
}

/* Bytes 1 and 3, sign-extended into two lanes. */
static inline uint32_t tml_odd(uint32_t bytes)
{
    uint32_t lanes;
    __asm__("sxtb16 %0, %1, ror #8" : "=r"(lanes) : "r"(bytes));
    return lanes;
}

/* tml_even and tml_odd plus a number in each lane. */
static inline uint32_t tml_even_plus(uint32_t lanes, uint32_t bytes)
{
    uint32_t sum;
    __asm__("sxtab16 %0, %1, %2" : "=r"(sum) : "r"(lanes), "r"(bytes));
    return sum;
}

static inline uint32_t tml_odd_plus(uint32_t lanes, uint32_t bytes)
{
    uint32_t sum;
    __asm__("sxtab16 %0, %1, %2, ror #8" : "=r"(sum) : "r"(lanes), "r"(bytes));
    return sum;
}

/* sum + a.low * b.low + a.high * b.high */
static inline int32_t tml_dot(uint32_t a, uint32_t b, int32_t sum)
{
    int32_t result;
    __asm__("smlad %0, %1, %2, %3" : "=r"(result) : "r"(a), "r"(b), "r"(sum));
    return result;
}

/* sum + a.low * b.low */
static inline int32_t tml_low_product(uint32_t a, uint32_t b, int32_t sum)
{
    int32_t result;
    __asm__("smlabb %0, %1, %2, %3" : "=r"(result) : "r"(a), "r"(b), "r"(sum));
    return result;
}

/* sum + a.high * b.high */
static inline int32_t tml_high_product(uint32_t a, uint32_t b, int32_t sum)
{
    int32_t result;
    __asm__("smlatt %0, %1, %2, %3" : "=r"(result) : "r"(a), "r"(b), "r"(sum));
    return result;
}

/* sum + a.low * b.high */
static inline int32_t tml_low_high_product(uint32_t a, uint32_t b, int32_t sum)
{
    int32_t result;
    __asm__("smlabt %0, %1, %2, %3" : "=r"(result) : "r"(a), "r"(b), "r"(sum));
    return result;
}

/* Of each byte the larger, signed. */
static inline uint32_t tml_larger_bytes(uint32_t a, uint32_t b)
{
    uint32_t result;
    __asm__("ssub8 %0, %1, %2\n\tsel %0, %1, %2" : "=&r"(result) : "r"(a), "r"(b));
    return result;
}

#else

static inline int32_t tml_lane(uint32_t word, int lane)
{
    return (int16_t)(word >> (16 * lane));
}

static inline uint32_t tml_lanes(int32_t low, int32_t high)
{
    return ((uint32_t)low & 0xFFFFu) | (uint32_t)high << 16;
}

static inline uint32_t tml_even_plus(uint32_t lanes, uint32_t bytes)
{
    return tml_lanes(tml_lane(lanes, 0) + (int8_t)bytes, tml_lane(lanes, 1) + (int8_t)(bytes >> 16));
}

static inline uint32_t tml_odd_plus(uint32_t lanes, uint32_t bytes)
{
    return tml_even_plus(lanes, bytes >> 8);
}

static inline uint32_t tml_even(uint32_t bytes)
{
    return tml_even_plus(0, bytes);
}

static inline uint32_t tml_odd(uint32_t bytes)
{
    return tml_odd_plus(0, bytes);
}

static inline int32_t tml_low_product(uint32_t a, uint32_t b, int32_t sum)
{
    return sum + tml_lane(a, 0) * tml_lane(b, 0);
}

static inline int32_t tml_high_product(uint32_t a, uint32_t b, int32_t sum)
{
    return sum + tml_lane(a, 1) * tml_lane(b, 1);
}

static inline int32_t tml_low_high_product(uint32_t a, uint32_t b, int32_t sum)
{
    return sum + tml_lane(a, 0) * tml_lane(b, 1);
}

static inline uint32_t tml_larger_bytes(uint32_t a, uint32_t b)
{
    uint32_t result = 0;
    for (int shift = 0; shift < 32; shift += 8) {
        int8_t one = (int8_t)(a >> shift);
        int8_t other = (int8_t)(b >> shift);
        result |= (uint32_t)(uint8_t)(one > other ? one : other) << shift;
    }
    return result;
}

static inline int32_t tml_dot(uint32_t a, uint32_t b, int32_t sum)
{
    return tml_high_product(a, b, tml_low_product(a, b, sum));
}

#endif

/* Two numbers as the lanes of a word. */
static inline uint32_t tml_pair(int32_t low, int32_t high)
{
    return ((uint32_t)low & 0xFFFFu) | (uint32_t)high << 16;
}

#endif
#endif
