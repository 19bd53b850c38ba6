/* Products of filters and windows: the innermost loops of convolution and fully connected layers.
 *
 * Filters come in pairs (a zero filter follows an odd last one). A pair is stored in groups of eight bytes: four
 * elements of the first filter, then the same four of the second.
 *
 * Windows are stored as 16-bit lanes, `pixels` of them together. With the DSP extension a group of four elements is
 * 2 * pixels words: lanes 0 and 2 of each pixel, then lanes 1 and 3 of each pixel, as SXTB16 takes them from a filter's
 * word. Without it a pixel's elements stand one after the other, pixel after pixel.
 *
 * With vectors (tml_simd.h) windows stay bytes, one after the other, each of whole groups. */
#ifndef TML_DOT_H
#define TML_DOT_H

#include <stdint.h>

/* A pair of filters and so many windows: sums are those of the first filter, then those of the second, each beginning
 * with its bias. */
void tml_dot_4(const int8_t *filters, const int16_t *windows, int32_t groups, const int32_t *bias, int32_t *sums);
void tml_dot_2(const int8_t *filters, const int16_t *windows, int32_t groups, const int32_t *bias, int32_t *sums);
void tml_dot_1(const int8_t *filters, const int16_t *windows, int32_t groups, const int32_t *bias, int32_t *sums);

/* Two pairs of filters and one vector of bytes, whose last group may be cut short. */
void tml_dot_bytes_4(const int8_t *filters, const int8_t *vector, int32_t depth, const int32_t *bias, int32_t *sums);
void tml_dot_bytes_2(const int8_t *filters, const int8_t *vector, int32_t depth, const int32_t *bias, int32_t *sums);

#endif
