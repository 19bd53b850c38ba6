/* Writes to the UART. */
#include "console.h"

#include "uart.h"

#define DECIMAL_DIGITS 10 /* of the largest uint32_t */

void console_text(const char *text)
{
    while (*text) {
        uart_put(*text++);
    }
}

void console_decimal(uint32_t value)
{
    char digits[DECIMAL_DIGITS];
    int count = 0;
    do {
        digits[count++] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    while (count) {
        uart_put(digits[--count]);
    }
}

void console_byte(uint8_t value)
{
    static const char digits[] = "0123456789abcdef";
    uart_put(digits[value >> 4]);
    uart_put(digits[value & 15]);
}

void console_word(uint32_t value)
{
    console_text("0x");
    for (int shift = 24; shift >= 0; shift -= 8) {
        console_byte((uint8_t)(value >> shift));
    }
}
