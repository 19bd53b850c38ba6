/* Which way a datagram goes and comes; what comes from anybody else is dropped. */
#include "net/link.h"

#include "net/dtls.h"

#define DATAGRAMS_A_TURN 8u /* so that a flood leaves time for the rest of the loop */

static struct udp_address server;
static struct udp_address package_host;
static bool secure;
static bool connected;
static link_listener listener;

enum os_status link_start(const struct link_settings *settings, link_listener wanted)
{
    server = settings->server;
    secure = settings->secure;
    listener = wanted;
    connected = false;
    package_host = (struct udp_address){0, 0};
    enum os_status status = datagram_open();
    if (status != OS_OK || !secure) {
        return status;
    }
    return dtls_start(settings);
}

void link_connect(void)
{
    connected = true;
    if (secure) {
        dtls_connect();
    }
}

enum link_state link_state(void)
{
    if (!connected || !datagram_up()) {
        return LINK_DOWN;
    }
    if (!secure) {
        return LINK_UP;
    }
    return dtls_state() == DTLS_OPEN ? LINK_UP : dtls_state() == DTLS_SHAKING ? LINK_CONNECTING : LINK_DOWN;
}

uint32_t link_moves(void)
{
    return datagram_moves();
}

static bool same(const struct udp_address *one, const struct udp_address *other)
{
    return one->ip == other->ip && one->port == other->port;
}

enum os_status link_to_package(const struct udp_address *host, bool over_dtls, enum link *link)
{
    if (same(host, &server) && over_dtls == secure) {
        *link = LINK_SERVER;
        return OS_OK;
    }
    if (over_dtls || same(host, &server)) {
        return OS_ARGUMENT; /* there is one session, and one kind of message to an address */
    }
    package_host = *host;
    *link = LINK_PACKAGE;
    return OS_OK;
}

enum os_status link_send(enum link link, const uint8_t *data, uint32_t length)
{
    if (link == LINK_PACKAGE) {
        return datagram_send(&package_host, data, length);
    }
    return secure ? dtls_send(data, length) : datagram_send(&server, data, length);
}

void link_poll(void)
{
    static uint8_t datagram[LINK_DATAGRAM_BYTES];
    struct udp_address from;
    datagram_poll();
    for (uint32_t turn = 0; turn < DATAGRAMS_A_TURN; turn++) {
        uint32_t length = datagram_receive(&from, datagram, sizeof datagram);
        if (length == 0) {
            break;
        }
        if (same(&from, &server) && secure) {
            dtls_receive(datagram, length, listener);
        } else if (same(&from, &server)) {
            listener(LINK_SERVER, datagram, length);
        } else if (same(&from, &package_host)) {
            listener(LINK_PACKAGE, datagram, length);
        }
    }
    if (secure) {
        dtls_poll();
    }
}
