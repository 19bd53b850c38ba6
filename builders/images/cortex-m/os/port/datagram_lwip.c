/* The UDP sockets on lwIP over the LAN9118, with an address from DHCP. */
#include <string.h>

#include "core/clock.h"
#include "lwip/dhcp.h"
#include "lwip/etharp.h"
#include "lwip/init.h"
#include "lwip/netif.h"
#include "lwip/timeouts.h"
#include "lwip/udp.h"
#include "net/random.h"
#include "netif/ethernet.h"
#include "port/ethernet.h"
#include "port/lan9118.h"
#include "port/datagram.h"

#define FIRST_PORT 49152u /* of the dynamic ports (RFC 6335) */
#define PORTS 16384u
#define PORT_TRIES 8u
#define WAITING 6u        /* datagrams that have come and are not taken yet; another one is lost, as on a wire */
#define WAITING_SECOND 3u /* of the socket that listens: together they are fewer than there are buffers */
#define FRAMES_A_TURN 16u

static struct netif interface;
static uint32_t moves;
static ip4_addr_t last_address;

struct waiting {
    struct pbuf *data;
    struct udp_address from;
};

struct socket {
    struct udp_pcb *control;
    struct waiting waiting[WAITING];
    uint32_t room, first, count;
};

static struct socket own = {.room = WAITING}, second = {.room = WAITING_SECOND};

u32_t sys_now(void)
{
    return clock_ms();
}

uint32_t port_stack_random(void)
{
    uint32_t value;
    (void)random_bytes((uint8_t *)&value, sizeof value); /* it need not be secret */
    return value;
}

void port_stack_failed(void)
{
    os_request_reset();
}

static err_t transmit(struct netif *from, struct pbuf *frame)
{
    (void)from;
    static uint8_t copy[LAN9118_FRAME_BYTES];
    if (frame->tot_len > sizeof copy) {
        return ERR_BUF;
    }
    (void)pbuf_copy_partial(frame, copy, frame->tot_len, 0);
    return lan9118_send(copy, frame->tot_len) == OS_OK ? ERR_OK : ERR_MEM;
}

static err_t set_up(struct netif *created)
{
    memcpy(created->hwaddr, created->state, LAN9118_ADDRESS_BYTES);
    created->hwaddr_len = LAN9118_ADDRESS_BYTES;
    created->name[0] = 'e';
    created->name[1] = 'n';
    created->mtu = 1500;
    created->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET | NETIF_FLAG_LINK_UP;
    created->output = etharp_output;
    created->linkoutput = transmit;
    return ERR_OK;
}

static void address_changed(struct netif *changed)
{
    const ip4_addr_t *now = netif_ip4_addr(changed);
    if (ip4_addr_isany_val(*now)) {
        return;
    }
    if (!ip4_addr_isany_val(last_address) && !ip4_addr_cmp(now, &last_address)) {
        moves++;
    }
    ip4_addr_copy(last_address, *now);
}

enum os_status ethernet_start(const uint8_t address[LAN9118_ADDRESS_BYTES])
{
    static uint8_t own[LAN9118_ADDRESS_BYTES];
    memcpy(own, address, sizeof own);
    enum os_status status = lan9118_start(own);
    if (status != OS_OK) {
        return status;
    }
    static bool initialised; /* what succeeded once is not done again by a second call */
    if (!initialised) {
        lwip_init();
        if (netif_add_noaddr(&interface, own, set_up, ethernet_input) == NULL) {
            return OS_IO;
        }
        initialised = true;
    }
    netif_set_default(&interface);
    netif_set_status_callback(&interface, address_changed);
    netif_set_up(&interface);
    return dhcp_start(&interface) == ERR_OK ? OS_OK : OS_IO;
}

static void arrived(void *context, struct udp_pcb *at, struct pbuf *data, const ip_addr_t *from, u16_t port)
{
    struct socket *socket = context;
    (void)at;
    if (socket->count == socket->room) {
        pbuf_free(data);
        return;
    }
    struct waiting *place = &socket->waiting[(socket->first + socket->count) % WAITING];
    place->data = data;
    place->from = (struct udp_address){lwip_ntohl(ip4_addr_get_u32(ip_2_ip4(from))), port};
    socket->count++;
}

enum os_status datagram_open(void)
{
    if (own.control != NULL) {
        udp_remove(own.control);
        moves++;
    }
    own.control = udp_new();
    for (uint32_t tries = 0; own.control != NULL && tries < PORT_TRIES; tries++) {
        if (udp_bind(own.control, IP4_ADDR_ANY, (u16_t)(FIRST_PORT + random_below(PORTS))) == ERR_OK) {
            udp_recv(own.control, arrived, &own);
            return OS_OK;
        }
    }
    return OS_IO;
}

enum os_status datagram_listen(uint16_t port)
{
    if (second.control == NULL) {
        second.control = udp_new();
    }
    if (second.control == NULL || udp_bind(second.control, IP4_ADDR_ANY, port) != ERR_OK) {
        return OS_IO;
    }
    udp_recv(second.control, arrived, &second);
    return OS_OK;
}

bool datagram_up(void)
{
    return own.control != NULL && dhcp_supplied_address(&interface);
}

uint32_t datagram_moves(void)
{
    return moves;
}

static enum os_status send(struct udp_pcb *control, const struct udp_address *to, const uint8_t *data, uint32_t length)
{
    ip_addr_t address = IPADDR4_INIT(lwip_htonl(to->ip));
    struct pbuf *buffer = datagram_up() ? pbuf_alloc(PBUF_TRANSPORT, (u16_t)length, PBUF_RAM) : NULL;
    if (buffer == NULL) {
        return OS_AGAIN;
    }
    err_t error = pbuf_take(buffer, data, (u16_t)length);
    if (error == ERR_OK) {
        error = udp_sendto(control, buffer, &address, to->port);
    }
    (void)pbuf_free(buffer);
    return error == ERR_OK ? OS_OK : OS_IO;
}

enum os_status datagram_send(const struct udp_address *to, const uint8_t *data, uint32_t length)
{
    return send(own.control, to, data, length);
}

enum os_status datagram_reply(const struct udp_address *to, const uint8_t *data, uint32_t length)
{
    return send(second.control, to, data, length);
}

static uint32_t receive(struct socket *socket, struct udp_address *from, uint8_t *data, uint32_t capacity)
{
    while (socket->count > 0) {
        struct waiting *next = &socket->waiting[socket->first];
        uint32_t length = next->data->tot_len;
        socket->first = (socket->first + 1) % WAITING;
        socket->count--;
        *from = next->from;
        if (length <= capacity) {
            (void)pbuf_copy_partial(next->data, data, (u16_t)length, 0);
        }
        (void)pbuf_free(next->data);
        if (length > 0 && length <= capacity) {
            return length;
        }
    }
    return 0;
}

uint32_t datagram_receive(struct udp_address *from, uint8_t *data, uint32_t capacity)
{
    return receive(&own, from, data, capacity);
}

uint32_t datagram_heard(struct udp_address *from, uint8_t *data, uint32_t capacity)
{
    return receive(&second, from, data, capacity);
}

bool datagram_pending(void)
{
    return own.count > 0 || second.count > 0 || lan9118_pending();
}

void datagram_poll(void)
{
    static uint32_t words[(LAN9118_FRAME_BYTES + 4) / 4 + 1];
    for (uint32_t turn = 0; turn < FRAMES_A_TURN && lan9118_pending(); turn++) {
        uint32_t length = lan9118_receive(words);
        struct pbuf *frame = length > 0 ? pbuf_alloc(PBUF_RAW, (u16_t)length, PBUF_POOL) : NULL;
        if (frame == NULL) {
            continue; /* no room: lost, as on a wire */
        }
        (void)pbuf_take(frame, words, (u16_t)length);
        if (interface.input(frame, &interface) != ERR_OK) {
            (void)pbuf_free(frame);
        }
    }
    sys_check_timeouts();
    lan9118_listen();
}
