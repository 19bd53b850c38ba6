/* One DTLS 1.2 session as a client with a pre-shared key. */
#ifndef NET_DTLS_H
#define NET_DTLS_H

#include <stdint.h>

#include "core/status.h"
#include "net/link.h"

enum dtls_state { DTLS_CLOSED, DTLS_SHAKING, DTLS_OPEN };

enum os_status dtls_start(const struct link_settings *settings);

/* Drop the session, saying so to a server that still has it, and begin a handshake. */
void dtls_connect(void);

enum dtls_state dtls_state(void);

/* A datagram from the server's address. Plaintexts go to the listener; what is not authentic changes nothing. */
void dtls_receive(const uint8_t *data, uint32_t length, link_listener listener);

enum os_status dtls_send(const uint8_t *data, uint32_t length);

/* Retransmissions of the handshake. */
void dtls_poll(void);

#endif
