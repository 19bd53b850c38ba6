/* Why a request is refused: a sentence for whoever reads the server's answer, beside the code for its machine. */
#ifndef LWM2M_REFUSAL_H
#define LWM2M_REFUSAL_H

#include "lwm2m/coap_message.h"

/* Note why, and give the code back. `why` is a literal. */
enum coap_code refuse(enum coap_code code, const char *why);

/* What was noted since the last call, or 0. */
const char *refusal_take(void);

#endif
