/* The message layer (RFC 7252, section 4): acknowledgements, retransmission with back-off, deduplication, matching. */
#ifndef LWM2M_COAP_ENDPOINT_H
#define LWM2M_COAP_ENDPOINT_H

#include <stdbool.h>
#include <stdint.h>

#include "lwm2m/coap_message.h"
#include "net/link.h"

/* What a request is answered with. `payload` has room for one block. */
struct coap_reply {
    uint8_t code;
    int32_t content_format;
    int32_t observe;
    struct coap_block block1;
    struct coap_block block2;
    int64_t size1;
    int64_t size2;
    uint32_t etag_length;
    uint8_t etag[COAP_ETAG_BYTES];
    uint32_t payload_length;
    uint8_t *payload;
};

/* One exchange of each kind at a time. */
enum coap_exchange { COAP_REGISTRATION, COAP_SEND, COAP_DOWNLOAD, COAP_NOTIFICATION, COAP_EXCHANGES };

enum coap_outcome {
    COAP_ANSWERED,     /* with a response; a notification: acknowledged, without one */
    COAP_TIMED_OUT,
    COAP_REJECTED,     /* with a reset */
};

/* `response` only with COAP_ANSWERED. */
typedef void (*coap_answer)(enum coap_outcome outcome, const struct coap_message *response);

typedef void (*coap_server)(enum link link, const struct coap_message *request, struct coap_reply *reply);

/* `ack_timeout_ms` is ACK_TIMEOUT of RFC 7252, section 4.8: the first retransmission comes after 1 to 1.5 of it. */
void coap_start(coap_server server, uint32_t ack_timeout_ms);

/* Forget every exchange and what was heard on a link: its peer, or the session with it, is another one. */
void coap_forget(enum link link);

void coap_receive(enum link link, const uint8_t *data, uint32_t length);

/* Retransmissions. */
void coap_poll(void);

bool coap_busy(enum coap_exchange exchange);

/* Begin a confirmable request with a new token: write options and payload into what is returned, then coap_send. */
struct coap_writer *coap_request(enum coap_exchange exchange, enum link link, enum coap_code method);

/* Begin a confirmable notification under the token of an observation. */
struct coap_writer *coap_notification(const uint8_t *token, uint32_t token_length, enum coap_code code);

/* Send what was written; false when it did not fit, and then nothing is sent. */
bool coap_send(enum coap_exchange exchange, coap_answer answer);

void coap_cancel(enum coap_exchange exchange);

#endif
