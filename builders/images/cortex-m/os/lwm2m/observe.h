/* Observations (RFC 7641) with pmin and pmax (Core 1.1.1, section 5.1.2), and the attributes of paths. */
#ifndef LWM2M_OBSERVE_H
#define LWM2M_OBSERVE_H

#include <stdbool.h>
#include <stdint.h>

#include "lwm2m/coap_message.h"
#include "lwm2m/tree.h"

/* Forget every observation; attributes stay. */
void observe_clear(void);

/* Begin, or renew, an observation; `checksum` is that of the content that answers. False when there is no room, or the
   path cannot be observed: then the request is answered as a plain read. */
bool observe_begin(const struct path *path, const struct coap_message *request, int32_t format, uint32_t checksum);

/* The server ends the observation that it began with this token. */
void observe_end(const struct coap_message *request);

/* Write-Attributes: pmin=N, pmax=N; a name without a value removes it. */
enum coap_code observe_attributes(const struct path *path, const struct coap_text *query, uint32_t count);

/* The attributes that were set at a path, as in a link: ;pmin=1;pmax=60 */
void observe_put_attributes(struct window *window, const struct path *path);

/* Send what changed to whom it matters. */
void observe_poll(void);

#endif
