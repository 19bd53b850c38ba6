/* Where a port keeps the words that survive a reset. */
#ifndef CORE_HANDOVER_PORT_H
#define CORE_HANDOVER_PORT_H

#include "core/handover.h"

struct handover *handover_words(void);

#endif
