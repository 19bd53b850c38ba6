/* The provisioning page: who this device is, written at manufacture and never by an image (edge/provisioning.py). */
#ifndef CORE_PROVISIONING_H
#define CORE_PROVISIONING_H

#include <stdint.h>

#include "core/status.h"

#define PROVISIONING_TEXT_BYTES 128u
#define PROVISIONING_KEY_BYTES 64u
#define PROVISIONING_SEED_BYTES 32u
#define PROVISIONING_POINT_BYTES 65u /* an uncompressed point of P-256: 04, x, y */

struct provisioning {
    char endpoint[PROVISIONING_TEXT_BYTES + 1];
    char server[PROVISIONING_TEXT_BYTES + 1]; /* coap://IPv4:port or coaps://IPv4:port */
    char identity[PROVISIONING_TEXT_BYTES + 1];
    char board[PROVISIONING_TEXT_BYTES + 1];
    uint8_t key[PROVISIONING_KEY_BYTES]; /* pre-shared */
    uint32_t key_length;                 /* 0: none */
    uint8_t signing_key[PROVISIONING_POINT_BYTES];
    uint8_t seed[PROVISIONING_SEED_BYTES]; /* of the random numbers */
    uint32_t period_us;                    /* of inference; 0: back to back at half of the time */
    uint32_t lifetime_s;                   /* of the registration */
    uint32_t confirm_s;                    /* how long a new firmware may take to register */
    uint16_t sensor_port;                  /* where sensors nearby give samples; 0: nowhere */
};

/* Reads a page of at most `size` bytes; OS_DAMAGED when it is none, or a part is missing or too long. */
enum os_status provisioning_read(const uint8_t *page, uint32_t size, struct provisioning *into);

#endif
