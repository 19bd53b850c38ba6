/* The model that is part of the firmware, and the ABI that models of the slots must have. */
#ifndef CORE_BUILT_IN_H
#define CORE_BUILT_IN_H

#include <stdint.h>

#include "core/model.h"

struct model_place built_in_place(void);
const uint8_t *built_in_abi(void);

#endif
