/* The DTLS session on mbedTLS: no heap but a fixed buffer, timers from the clock, datagrams from the link. */
#include "net/dtls.h"

#include <string.h>

#include "core/clock.h"
#include "mbedtls/memory_buffer_alloc.h"
#include "mbedtls/ssl.h"
#include "net/random.h"

#define ALLOCATOR_BYTES 16384u /* a handshake takes 6 KiB, and messages that come out of order up to 4 KiB more */
#define MTU 1232u              /* bytes of UDP payload that every IPv6 path carries */
#define HANDSHAKE_FIRST_MS 1000u
#define HANDSHAKE_LAST_MS 16000u

/* The mandatory suite of LwM2M and the one beside it (Transport 1.1.1, section 5.2.8.1). */
static const int suites[] = {MBEDTLS_TLS_PSK_WITH_AES_128_CCM_8, MBEDTLS_TLS_PSK_WITH_AES_128_CBC_SHA256, 0};

static uint8_t allocator[ALLOCATOR_BYTES] __attribute__((aligned(8)));
static mbedtls_ssl_config config;
static mbedtls_ssl_context session;
static struct udp_address server;
static enum dtls_state state;
static const uint8_t *incoming;
static uint32_t incoming_length;

static struct {
    uint32_t begun_at;
    uint32_t intermediate_ms;
    uint32_t final_ms; /* 0: no timer runs */
} timer;

static void set_timer(void *context, uint32_t intermediate_ms, uint32_t final_ms)
{
    (void)context;
    timer.begun_at = clock_ms();
    timer.intermediate_ms = intermediate_ms;
    timer.final_ms = final_ms;
}

static int get_timer(void *context)
{
    (void)context;
    uint32_t passed = clock_ms() - timer.begun_at;
    if (timer.final_ms == 0) {
        return -1;
    }
    return passed >= timer.final_ms ? 2 : passed >= timer.intermediate_ms ? 1 : 0;
}

static int send_datagram(void *context, const unsigned char *data, size_t length)
{
    (void)context;
    (void)datagram_send(&server, data, (uint32_t)length); /* lost like any datagram: the flight is repeated */
    return (int)length;
}

static int receive_datagram(void *context, unsigned char *data, size_t capacity)
{
    (void)context;
    if (incoming_length == 0 || incoming_length > capacity) {
        incoming_length = 0;
        return MBEDTLS_ERR_SSL_WANT_READ;
    }
    uint32_t length = incoming_length;
    memcpy(data, incoming, length);
    incoming_length = 0;
    return (int)length;
}

static int random_for_tls(void *context, unsigned char *output, size_t length)
{
    (void)context;
    return random_bytes(output, (uint32_t)length) == OS_OK ? 0 : MBEDTLS_ERR_SSL_NO_RNG;
}

enum os_status dtls_start(const struct link_settings *settings)
{
    server = settings->server;
    mbedtls_memory_buffer_alloc_init(allocator, sizeof allocator);
    mbedtls_ssl_config_init(&config);
    mbedtls_ssl_init(&session);
    int error = mbedtls_ssl_config_defaults(&config, MBEDTLS_SSL_IS_CLIENT, MBEDTLS_SSL_TRANSPORT_DATAGRAM,
                                            MBEDTLS_SSL_PRESET_DEFAULT);
    if (error == 0) {
        error = mbedtls_ssl_conf_psk(&config, settings->key, settings->key_length,
                                     (const unsigned char *)settings->identity, strlen(settings->identity));
    }
    mbedtls_ssl_conf_ciphersuites(&config, suites);
    mbedtls_ssl_conf_rng(&config, random_for_tls, 0);
    mbedtls_ssl_conf_handshake_timeout(&config, HANDSHAKE_FIRST_MS, HANDSHAKE_LAST_MS);
    if (error == 0) {
        error = mbedtls_ssl_setup(&session, &config);
    }
    mbedtls_ssl_set_bio(&session, 0, send_datagram, receive_datagram, 0);
    mbedtls_ssl_set_timer_cb(&session, 0, set_timer, get_timer);
    mbedtls_ssl_set_mtu(&session, MTU);
    state = DTLS_CLOSED;
    return error == 0 ? OS_OK : OS_ARGUMENT;
}

/* mbedTLS stands here instead of an exit: what is in its memory cannot be trusted any more. */
void dtls_memory_corrupted(int status)
{
    (void)status;
    os_request_reset();
}

static void shake(void)
{
    int error = mbedtls_ssl_handshake(&session);
    if (error == 0) {
        state = DTLS_OPEN;
    } else if (error != MBEDTLS_ERR_SSL_WANT_READ && error != MBEDTLS_ERR_SSL_WANT_WRITE) {
        state = DTLS_CLOSED; /* an alert, or no answer to the last repetition */
    }
}

void dtls_connect(void)
{
    if (state == DTLS_OPEN) {
        (void)mbedtls_ssl_close_notify(&session);
    }
    incoming_length = 0;
    timer.final_ms = 0;
    state = mbedtls_ssl_session_reset(&session) == 0 ? DTLS_SHAKING : DTLS_CLOSED;
    if (state == DTLS_SHAKING) {
        shake();
    }
}

enum dtls_state dtls_state(void)
{
    return state;
}

void dtls_receive(const uint8_t *data, uint32_t length, link_listener listener)
{
    static uint8_t plain[LINK_DATAGRAM_BYTES];
    incoming = data;
    incoming_length = length;
    if (state == DTLS_SHAKING) {
        shake();
    }
    while (state == DTLS_OPEN) { /* a datagram may hold several records */
        int got = mbedtls_ssl_read(&session, plain, sizeof plain);
        if (got > 0) {
            listener(LINK_SERVER, plain, (uint32_t)got);
        } else if (got == MBEDTLS_ERR_SSL_WANT_READ || got == MBEDTLS_ERR_SSL_WANT_WRITE) {
            break;
        } else {
            state = DTLS_CLOSED; /* closed by the server, or beyond repair: the registration begins anew */
        }
    }
    incoming_length = 0;
}

enum os_status dtls_send(const uint8_t *data, uint32_t length)
{
    if (state != DTLS_OPEN) {
        return OS_STATE;
    }
    int sent = mbedtls_ssl_write(&session, data, length);
    if (sent < 0 && sent != MBEDTLS_ERR_SSL_WANT_READ && sent != MBEDTLS_ERR_SSL_WANT_WRITE) {
        state = DTLS_CLOSED;
    }
    return sent == (int)length ? OS_OK : OS_IO;
}

void dtls_poll(void)
{
    if (state == DTLS_SHAKING && get_timer(0) == 2) {
        shake();
    }
}
