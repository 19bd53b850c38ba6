/* A labelled sample as it is on the wire: its label, u16 little-endian, and the bytes of the model's input tensors. */
#ifndef FEDERATION_SAMPLE_H
#define FEDERATION_SAMPLE_H

#include <stdbool.h>
#include <stdint.h>

#include "lwm2m/coap_message.h"

/* Takes it, or with `check` only says how that would go. */
enum coap_code sample_take(const uint8_t *data, uint32_t length, bool check);

#endif
