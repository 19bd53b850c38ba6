/* Pulls packages: GET with Block2 (RFC 7959), resumed while the ETag holds, also after a reset. */
#ifndef LWM2M_DOWNLOAD_H
#define LWM2M_DOWNLOAD_H

#include "core/update.h"
#include "lwm2m/coap_message.h"

/* Take up the pull that a reset interrupted, and give up a push. */
void download_start(void);

/* A URI was written. The code to answer with; a URI that cannot be used shows in the update's result. */
enum coap_code download_begin(enum update_target target, const uint8_t *uri, uint32_t length);

/* Stop pulling for a target, if that is what is going on. */
void download_stop(enum update_target target);

void download_poll(void);

#endif
