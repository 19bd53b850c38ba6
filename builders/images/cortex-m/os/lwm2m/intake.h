/* Takes written content block by block (Block1, RFC 7959): packages go to flash as they come, the rest to a buffer. */
#ifndef LWM2M_INTAKE_H
#define LWM2M_INTAKE_H

#include <stdbool.h>

#include "core/update.h"
#include "lwm2m/coap_endpoint.h"
#include "lwm2m/tree.h"

enum intake_result {
    INTAKE_ANSWERED, /* the reply says how it went: a block was taken, a package is complete, or something is refused */
    INTAKE_COMPLETE, /* all of the content is there */
};

/* Take what a PUT or POST brings. With INTAKE_COMPLETE, `content` is valid until the next call. */
enum intake_result intake_take(const struct path *path, const struct coap_message *request, struct coap_reply *reply,
                               struct coap_text *content);

/* A package was dropped: what is pushed of it is no part of the next one. */
void intake_stop(enum update_target target);

/* Give a transfer up that is not heard of any more. */
void intake_poll(void);

#endif
