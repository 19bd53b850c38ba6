/* CRC-32 of IEEE 802.3, as zlib computes it. */
#ifndef CORE_CRC32_H
#define CORE_CRC32_H

#include <stdint.h>

uint32_t crc32(const void *data, uint32_t length);

#endif
