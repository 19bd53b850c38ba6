/* Answers the server's requests: device management on the tree (Core 1.1.1, section 6.3). */
#ifndef LWM2M_SERVICE_H
#define LWM2M_SERVICE_H

#include "lwm2m/coap_endpoint.h"

void service_answer(enum link link, const struct coap_message *request, struct coap_reply *reply);

#endif
