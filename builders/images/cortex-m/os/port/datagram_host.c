/* The UDP sockets on POSIX, for the OS as a program. */
#define _POSIX_C_SOURCE 200809L
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "port/datagram.h"

static int descriptor = -1, second = -1;
static uint32_t moves;

static enum os_status open_at(int *opened, uint32_t ip, uint16_t port)
{
    *opened = socket(AF_INET, SOCK_DGRAM, 0);
    if (*opened < 0 || fcntl(*opened, F_SETFL, O_NONBLOCK) < 0) {
        return OS_IO;
    }
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(ip), .sin_port = htons(port)};
    return bind(*opened, (const struct sockaddr *)&at, sizeof at) == 0 ? OS_OK : OS_IO;
}

enum os_status datagram_open(void)
{
    if (descriptor >= 0) {
        close(descriptor);
        moves++;
    }
    return open_at(&descriptor, INADDR_ANY, 0);
}

enum os_status datagram_listen(uint16_t port)
{
    return open_at(&second, INADDR_LOOPBACK, port);
}

bool datagram_up(void)
{
    return descriptor >= 0;
}

uint32_t datagram_moves(void)
{
    return moves;
}

static enum os_status send_from(int socket, const struct udp_address *to, const uint8_t *data, uint32_t length)
{
    struct sockaddr_in peer = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(to->ip), .sin_port = htons(to->port)};
    return sendto(socket, data, length, 0, (const struct sockaddr *)&peer, sizeof peer) == (ssize_t)length
               ? OS_OK
               : OS_IO;
}

enum os_status datagram_send(const struct udp_address *to, const uint8_t *data, uint32_t length)
{
    return send_from(descriptor, to, data, length);
}

enum os_status datagram_reply(const struct udp_address *to, const uint8_t *data, uint32_t length)
{
    return send_from(second, to, data, length);
}

static uint32_t receive_at(int socket, struct udp_address *from, uint8_t *data, uint32_t capacity)
{
    for (;;) {
        struct sockaddr_in peer;
        socklen_t size = sizeof peer;
        ssize_t got = recvfrom(socket, data, capacity, MSG_TRUNC, (struct sockaddr *)&peer, &size);
        if (got < 0) {
            return 0;
        }
        if (got > 0 && (uint32_t)got <= capacity) {
            from->ip = ntohl(peer.sin_addr.s_addr);
            from->port = ntohs(peer.sin_port);
            return (uint32_t)got;
        }
    }
}

uint32_t datagram_receive(struct udp_address *from, uint8_t *data, uint32_t capacity)
{
    return receive_at(descriptor, from, data, capacity);
}

uint32_t datagram_heard(struct udp_address *from, uint8_t *data, uint32_t capacity)
{
    return receive_at(second, from, data, capacity);
}

bool datagram_pending(void)
{
    uint8_t byte;
    return recv(descriptor, &byte, 1, MSG_PEEK) > 0 || recv(second, &byte, 1, MSG_PEEK) > 0;
}

void datagram_poll(void)
{
    /* The kernel does it. */
}
