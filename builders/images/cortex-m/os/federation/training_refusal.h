/* What a refusal of the training is in CoAP. */
#ifndef FEDERATION_TRAINING_REFUSAL_H
#define FEDERATION_TRAINING_REFUSAL_H

#include "core/status.h"
#include "lwm2m/refusal.h"

static inline enum coap_code training_answer(int status, const char *why)
{
    switch (status) {
    case OS_OK:
        return COAP_CHANGED;
    case OS_ARGUMENT:
        return refuse(COAP_BAD_REQUEST, why);
    case OS_STATE:
        return refuse(COAP_METHOD_NOT_ALLOWED, why);
    case OS_AGAIN:
        return refuse(COAP_UNAVAILABLE, why);
    case OS_TOO_LARGE:
        return refuse(COAP_TOO_LARGE, why);
    default:
        return refuse(COAP_INTERNAL_ERROR, why);
    }
}

#endif
