/* The firmware's report on the UART: lines that begin with "@tml " (docs/reference/image-format.md). */
#ifndef REPORT_H
#define REPORT_H

#include <stdint.h>

void report_boot(uint32_t vectors);
void report_golden_start(uint32_t index, uint32_t ticks);
void report_golden_output(const uint8_t *bytes, uint32_t count);
void report_golden_end(void);
/* `thousandths` of a tick: less than 1000, or 1000 for a whole one. */
void report_layer(uint32_t index, uint32_t ticks, uint32_t thousandths, const char *name);
void report_ready(uint32_t vectors, uint32_t arena, uint32_t stack);
void report_fault(const char *kind, uint32_t pc, uint32_t cfsr);

#endif
