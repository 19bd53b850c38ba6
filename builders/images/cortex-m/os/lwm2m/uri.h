/* Server and package addresses: coap://A.B.C.D[:PORT]/PATH[?QUERY] and coaps://, with IPv4 addresses in digits. */
#ifndef LWM2M_URI_H
#define LWM2M_URI_H

#include <stdbool.h>

#include "core/status.h"
#include "lwm2m/coap_message.h"
#include "port/datagram.h"

struct uri {
    bool secure;
    struct udp_address host;
    struct coap_text path[COAP_SEGMENTS];
    uint32_t path_count;
    struct coap_text query[COAP_QUERIES];
    uint32_t query_count;
};

/* OS_OK; OS_STATE for another scheme, OS_ARGUMENT for what is no such URI. The texts point into `text`; percent
   signs are refused: nothing that is fetched needs them. */
enum os_status uri_parse(const uint8_t *text, uint32_t length, struct uri *uri);

#endif
