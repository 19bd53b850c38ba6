/* The UDP socket on POSIX, for the OS as a program. */
#define _POSIX_C_SOURCE 200809L
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "port/datagram.h"

static int descriptor = -1;
static uint32_t moves;

enum os_status datagram_open(void)
{
    if (descriptor >= 0) {
        close(descriptor);
        moves++;
    }
    descriptor = socket(AF_INET, SOCK_DGRAM, 0);
    if (descriptor < 0 || fcntl(descriptor, F_SETFL, O_NONBLOCK) < 0) {
        return OS_IO;
    }
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_ANY)};
    return bind(descriptor, (const struct sockaddr *)&any, sizeof any) == 0 ? OS_OK : OS_IO;
}

bool datagram_up(void)
{
    return descriptor >= 0;
}

uint32_t datagram_moves(void)
{
    return moves;
}

enum os_status datagram_send(const struct udp_address *to, const uint8_t *data, uint32_t length)
{
    struct sockaddr_in peer = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(to->ip), .sin_port = htons(to->port)};
    return sendto(descriptor, data, length, 0, (const struct sockaddr *)&peer, sizeof peer) == (ssize_t)length
               ? OS_OK
               : OS_IO;
}

uint32_t datagram_receive(struct udp_address *from, uint8_t *data, uint32_t capacity)
{
    for (;;) {
        struct sockaddr_in peer;
        socklen_t size = sizeof peer;
        ssize_t got = recvfrom(descriptor, data, capacity, MSG_TRUNC, (struct sockaddr *)&peer, &size);
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

bool datagram_pending(void)
{
    uint8_t byte;
    return recv(descriptor, &byte, 1, MSG_PEEK) > 0;
}

void datagram_poll(void)
{
    /* The kernel does it. */
}
