/* The network side of a board: random numbers, Ethernet, and the client, from what the provisioning page says. */
#include <string.h>

#include "console.h"
#include "core/network.h"
#include "core/start_number.h"
#include "federation/sensor.h"
#include "lwm2m/client.h"
#include "net/random.h"
#include "port/datagram.h"
#include "port/ethernet.h"

#define TELEMETRY_S 30u
#define FNV_BASIS 14695981039346656037u
#define FNV_PRIME 1099511628211u
#define LOCALLY_ADMINISTERED 0x02u

static bool seeded, started;

static void own_address(const char *endpoint, uint8_t address[LAN9118_ADDRESS_BYTES])
{
    uint64_t hash = FNV_BASIS;
    for (const char *letter = endpoint; *letter != '\0'; letter++) {
        hash = (hash ^ (uint8_t)*letter) * FNV_PRIME;
    }
    memcpy(address, &hash, LAN9118_ADDRESS_BYTES);
    address[0] = LOCALLY_ADMINISTERED;
}

static enum os_status read_settings(const struct provisioning *page, struct client_settings *settings)
{
    uint32_t endpoint = (uint32_t)strlen(page->endpoint);
    uint32_t identity = (uint32_t)strlen(page->identity);
    if (endpoint > REGISTRATION_ENDPOINT_BYTES || identity > LINK_IDENTITY_BYTES || page->key_length > LINK_KEY_BYTES) {
        return OS_ARGUMENT;
    }
    memcpy(settings->endpoint, page->endpoint, endpoint + 1);
    memcpy(settings->link.identity, page->identity, identity + 1);
    memcpy(settings->link.key, page->key, page->key_length);
    settings->link.key_length = page->key_length;
    settings->lifetime_s = page->lifetime_s;
    settings->telemetry_s = TELEMETRY_S;
    settings->ack_timeout_ms = CLIENT_ACK_TIMEOUT_MS;
    return client_server(page->server, &settings->link);
}

/* Once in a start of the device, however often the network is tried: each number is a write to flash. */
static enum os_status seed(const struct provisioning *page)
{
    if (seeded) {
        return OS_OK;
    }
    uint64_t number;
    enum os_status status = start_number_next(&number);
    if (status == OS_OK) {
        status = random_start(page->seed, number);
    }
    seeded = status == OS_OK;
    return status;
}

int network_start(const struct provisioning *page)
{
    static struct client_settings settings;
    uint8_t address[LAN9118_ADDRESS_BYTES];
    enum os_status status = read_settings(page, &settings);
    if (status == OS_OK) {
        status = seed(page);
    }
    if (status == OS_OK) {
        own_address(page->endpoint, address);
        status = ethernet_start(address);
    }
    if (status == OS_OK) {
        status = client_start(&settings);
    }
    if (status == OS_OK && sensor_start(page->sensor_port) != OS_OK) {
        console_text("net: there is no port for sensors\n"); /* the server is reached all the same */
    }
    started = status == OS_OK;
    return status;
}

void network_poll(void)
{
    if (started) {
        client_poll();
        sensor_poll();
    }
}

bool network_idle(void)
{
    return !started || !datagram_pending();
}

void network_interrupt(void)
{
    lan9118_quiet(); /* the loop takes what came, and listens again */
}
