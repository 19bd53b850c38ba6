/* What a port brings for inference.c: a one-shot interrupt that calls inference_turn, below every other one. */
#ifndef CORE_INFERENCE_PORT_H
#define CORE_INFERENCE_PORT_H

#include <stdint.h>

void inference_port_start(void);

#endif
