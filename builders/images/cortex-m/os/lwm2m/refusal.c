/* The reason of the refusal that is being made. */
#include "lwm2m/refusal.h"

static const char *reason;

enum coap_code refuse(enum coap_code code, const char *why)
{
    reason = why;
    return code;
}

const char *refusal_take(void)
{
    const char *taken = reason;
    reason = 0;
    return taken;
}
