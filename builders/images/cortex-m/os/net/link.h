/* The ways that messages take: to the LwM2M server, plain or in DTLS, and plain to a host that packages are pulled from. */
#ifndef NET_LINK_H
#define NET_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "core/status.h"
#include "port/datagram.h"

/* A block of 1024 bytes with its options; 1232 bytes of UDP payload pass everywhere, and DTLS takes 29 to 64 of them. */
#define LINK_MESSAGE_BYTES 1152u
/* What may arrive is no larger than what passes everywhere. */
#define LINK_DATAGRAM_BYTES 1280u

#define LINK_IDENTITY_BYTES 128u
#define LINK_KEY_BYTES 64u

enum link { LINK_SERVER, LINK_PACKAGE, LINKS };
enum link_state { LINK_DOWN, LINK_CONNECTING, LINK_UP };

struct link_settings {
    struct udp_address server;
    bool secure;
    char identity[LINK_IDENTITY_BYTES + 1];
    uint8_t key[LINK_KEY_BYTES];
    uint32_t key_length;
};

typedef void (*link_listener)(enum link link, const uint8_t *data, uint32_t length);

enum os_status link_start(const struct link_settings *settings, link_listener listener);

/* Begin anew with the server: a DTLS handshake where there is a key. */
void link_connect(void);

/* Of the way to the server. */
enum link_state link_state(void);

/* How often the own address has changed. */
uint32_t link_moves(void);

/* The way to a host of packages: the server's when it is the same host, port and kind; OS_ARGUMENT when there is none. */
enum os_status link_to_package(const struct udp_address *host, bool secure, enum link *link);

enum os_status link_send(enum link link, const uint8_t *data, uint32_t length);

void link_poll(void);

#endif
