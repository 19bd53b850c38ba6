/* What a port brings for model.c: the board's addresses as memory, and calls to two of them. */
#ifndef CORE_MODEL_PORT_H
#define CORE_MODEL_PORT_H

#include <stdint.h>

#include "core/model.h"

/* The memory at a board's address; only asked for what lies in a model's place. */
void *model_port_memory(uint32_t address);

void model_port_invoke(const struct model *model);

/* What a model remembers from one inference to the next is as before its first one. */
void model_port_reset(const struct model *model);

#endif
