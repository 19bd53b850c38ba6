/* Text and numbers on the UART. */
#ifndef CONSOLE_H
#define CONSOLE_H

#include <stdint.h>

void console_text(const char *text);
void console_decimal(uint32_t value);
void console_byte(uint8_t value); /* two hex digits */
void console_word(uint32_t value); /* 0x and eight hex digits */

#endif
