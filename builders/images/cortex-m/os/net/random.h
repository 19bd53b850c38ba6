/* Random numbers: an AES-CTR generator (NIST SP 800-90A) over the seed of the provisioning page. */
#ifndef NET_RANDOM_H
#define NET_RANDOM_H

#include <stdint.h>

#include "core/status.h"

#define RANDOM_SEED_BYTES 32u

/* `nonce` differs at every start, so that a seed that never changes gives another sequence each time. */
enum os_status random_start(const uint8_t seed[RANDOM_SEED_BYTES], uint64_t nonce);

/* OS_IO, and zeros, when the generator was not started. */
enum os_status random_bytes(uint8_t *data, uint32_t length);

/* Uniform in 0 to limit - 1; limit is at least 1. */
uint32_t random_below(uint32_t limit);

#endif
