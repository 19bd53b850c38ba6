/* A UDP socket over IPv4, and a second one that listens: what a port of the OS to a network stack provides. */
#ifndef PORT_DATAGRAM_H
#define PORT_DATAGRAM_H

#include <stdbool.h>
#include <stdint.h>

#include "core/status.h"

struct udp_address {
    uint32_t ip; /* host byte order */
    uint16_t port;
};

/* Take a local port that nobody remembers us by; called again it moves to another one. */
enum os_status datagram_open(void);

/* Whether there is an address to send from. */
bool datagram_up(void);

/* How often the own address changed: whoever finds another number than before has to introduce itself again. */
uint32_t datagram_moves(void);

enum os_status datagram_send(const struct udp_address *to, const uint8_t *data, uint32_t length);

/* The next datagram, or 0. One that is longer than `capacity` is dropped. */
uint32_t datagram_receive(struct udp_address *from, uint8_t *data, uint32_t capacity);

/* The second socket, at a port that others know. */
enum os_status datagram_listen(uint16_t port);

/* The same as above for it; what is sent comes from its port. */
uint32_t datagram_heard(struct udp_address *from, uint8_t *data, uint32_t capacity);
enum os_status datagram_reply(const struct udp_address *to, const uint8_t *data, uint32_t length);

/* Whether something waits to be received or to be driven: then the processor does not sleep. */
bool datagram_pending(void);

/* Drive the stack; called from the loop. */
void datagram_poll(void);

#endif
