/* What the OS asks of its network side: the link, and the LwM2M client on top of it. */
#ifndef CORE_NETWORK_H
#define CORE_NETWORK_H

#include <stdbool.h>

#include "core/provisioning.h"

/* Called after the golden vectors, and again after a while until it gives OS_OK: an os_status. The page stays valid and
 * does not change. */
int network_start(const struct provisioning *page);

/* One turn of the loop: receive, answer, send what is due. */
void network_poll(void);

/* Nothing to do before the next interrupt: the processor may sleep. */
bool network_idle(void);

/* Runs on each interrupt of the network controller (IRQ 13 of the MPS2 boards): silence the line and return. */
void network_interrupt(void);

#endif
