/* The documents of a round in CBOR (docs/reference/federation-protocol.md): the head that comes, the update that goes. */
#ifndef FEDERATION_HEAD_DOCUMENT_H
#define FEDERATION_HEAD_DOCUMENT_H

#include <stdint.h>

#include "lwm2m/coap_message.h"
#include "lwm2m/window.h"

/* Reads a global model of two float32 arrays and gives it to the training. A CoAP code. */
enum coap_code head_document_take(const uint8_t *data, uint32_t length);

/* The update of the last round that was trained; nothing when there is none. */
void head_document_put_update(struct window *window);

#endif
