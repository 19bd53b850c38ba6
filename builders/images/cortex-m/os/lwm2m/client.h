/* The LwM2M 1.1 client: everything between the provisioning page and the loop. */
#ifndef LWM2M_CLIENT_H
#define LWM2M_CLIENT_H

#include <stdint.h>

#include "core/status.h"
#include "lwm2m/registration.h"
#include "net/link.h"

#define CLIENT_ACK_TIMEOUT_MS 2000u /* RFC 7252, section 4.8 */

struct client_settings {
    char endpoint[REGISTRATION_ENDPOINT_BYTES + 1];
    uint32_t lifetime_s;
    uint32_t telemetry_s;    /* 0: no telemetry */
    uint32_t ack_timeout_ms; /* CLIENT_ACK_TIMEOUT_MS, but in tests */
    struct link_settings link;
};

/* Read a server's URI, coap://A.B.C.D:PORT or coaps://A.B.C.D:PORT, into the settings of the link. */
enum os_status client_server(const char *uri, struct link_settings *link);

/* The random generator has been started. */
enum os_status client_start(const struct client_settings *settings);

/* One turn of everything; called from the loop. */
void client_poll(void);

#endif
