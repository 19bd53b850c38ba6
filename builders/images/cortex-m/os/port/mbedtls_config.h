/* mbedTLS 2.28 as the device OS needs it: a DTLS 1.2 client with a pre-shared key, AES-128 and SHA-256, in fixed memory. */
#ifndef PORT_MBEDTLS_CONFIG_H
#define PORT_MBEDTLS_CONFIG_H

#define MBEDTLS_AES_C
#define MBEDTLS_CCM_C
#define MBEDTLS_CIPHER_C
#define MBEDTLS_CIPHER_MODE_CBC
#define MBEDTLS_CTR_DRBG_C
#define MBEDTLS_CTR_DRBG_USE_128_BIT_KEY
#define MBEDTLS_MD_C
#define MBEDTLS_SHA256_C
#define MBEDTLS_KEY_EXCHANGE_PSK_ENABLED
#define MBEDTLS_SSL_TLS_C
#define MBEDTLS_SSL_CLI_C
#define MBEDTLS_SSL_PROTO_TLS1_2
#define MBEDTLS_SSL_PROTO_DTLS
#define MBEDTLS_SSL_DTLS_ANTI_REPLAY
#define MBEDTLS_SSL_ENCRYPT_THEN_MAC
#define MBEDTLS_SSL_EXTENDED_MASTER_SECRET
#define MBEDTLS_SSL_DTLS_HELLO_VERIFY

/* No heap: a fixed buffer. */
#define MBEDTLS_PLATFORM_C
#define MBEDTLS_PLATFORM_MEMORY
#define MBEDTLS_PLATFORM_NO_STD_FUNCTIONS
#define MBEDTLS_MEMORY_BUFFER_ALLOC_C
#define MBEDTLS_MEMORY_ALIGN_MULTIPLE 8
#define MBEDTLS_NO_PLATFORM_ENTROPY
/* Called when the fixed buffer is found corrupted. */
void dtls_memory_corrupted(int status);
#define MBEDTLS_PLATFORM_EXIT_MACRO dtls_memory_corrupted

/* Tables in flash, and the small variants: a handshake happens once in a while. */
#define MBEDTLS_AES_ROM_TABLES
#define MBEDTLS_AES_FEWER_TABLES

#define MBEDTLS_SSL_IN_CONTENT_LEN 1536 /* more than a datagram of the link */
#define MBEDTLS_SSL_OUT_CONTENT_LEN 1280
#define MBEDTLS_SSL_DTLS_MAX_BUFFERING 4096
#define MBEDTLS_PSK_MAX_LEN 64

#include "mbedtls/check_config.h"

#endif
