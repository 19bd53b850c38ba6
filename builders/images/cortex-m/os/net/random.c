/* The random generator: mbedTLS's CTR_DRBG, seeded once. */
#include "net/random.h"

#include <stdbool.h>
#include <string.h>

#include "mbedtls/ctr_drbg.h"

static mbedtls_ctr_drbg_context generator;
static const uint8_t *seeding; /* 0 but while random_start runs */
static bool started;

static int seed_once(void *context, unsigned char *output, size_t length)
{
    (void)context;
    if (seeding == 0) {
        return MBEDTLS_ERR_CTR_DRBG_ENTROPY_SOURCE_FAILED; /* a reseed: there is no second source */
    }
    memcpy(output, seeding, length);
    return 0;
}

enum os_status random_start(const uint8_t seed[RANDOM_SEED_BYTES], uint64_t nonce)
{
    seeding = seed;
    mbedtls_ctr_drbg_init(&generator);
    mbedtls_ctr_drbg_set_entropy_len(&generator, RANDOM_SEED_BYTES);
    (void)mbedtls_ctr_drbg_set_nonce_len(&generator, 0); /* the nonce is the personalisation string */
    started = mbedtls_ctr_drbg_seed(&generator, seed_once, 0, (const unsigned char *)&nonce, sizeof nonce) == 0;
    mbedtls_ctr_drbg_set_reseed_interval(&generator, INT32_MAX);
    seeding = 0;
    return started ? OS_OK : OS_IO;
}

enum os_status random_bytes(uint8_t *data, uint32_t length)
{
    if (!started || mbedtls_ctr_drbg_random(&generator, data, length) != 0) {
        memset(data, 0, length);
        return OS_IO;
    }
    return OS_OK;
}

uint32_t random_below(uint32_t limit)
{
    uint32_t value;
    uint32_t reach = UINT32_MAX - UINT32_MAX % limit;
    do {
        (void)random_bytes((uint8_t *)&value, sizeof value); /* of waiting times and ports: zero does as well */
    } while (value >= reach);
    return value % limit;
}
