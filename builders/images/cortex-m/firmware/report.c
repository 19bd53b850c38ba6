/* Formats the report's lines. */
#include "report.h"

#include "board.h"
#include "build_info.h"
#include "uart.h"

#define DECIMAL_DIGITS 10 /* of the largest uint32_t */

static void put_text(const char *text)
{
    while (*text) {
        uart_put(*text++);
    }
}

static void put_decimal(uint32_t value)
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

static void put_byte(uint8_t value)
{
    static const char digits[] = "0123456789abcdef";
    uart_put(digits[value >> 4]);
    uart_put(digits[value & 15]);
}

static void put_word(uint32_t value)
{
    put_text("0x");
    for (int shift = 24; shift >= 0; shift -= 8) {
        put_byte((uint8_t)(value >> shift));
    }
}

static void put_field(const char *name, uint32_t value)
{
    put_text(name);
    put_decimal(value);
}

void report_boot(uint32_t vectors)
{
    put_text("@tml boot version=" BUILD_VERSION " board=" BUILD_BOARD " model=" BUILD_MODEL " abi=" BUILD_ABI);
    put_field(" vectors=", vectors);
    uart_put('\n');
}

void report_golden_start(uint32_t index, uint32_t ticks)
{
    put_field("@tml golden index=", index);
    put_field(" ticks=", ticks);
    put_text(" output=");
}

void report_golden_output(const uint8_t *bytes, uint32_t count)
{
    for (uint32_t index = 0; index < count; index++) {
        put_byte(bytes[index]);
    }
}

void report_golden_end(void)
{
    uart_put('\n');
}

void report_layer(uint32_t index, uint32_t ticks, const char *name)
{
    put_field("@tml layer index=", index);
    put_field(" ticks=", ticks);
    put_text(" name=");
    put_text(name);
    uart_put('\n');
}

void report_ready(uint32_t vectors, uint32_t arena, uint32_t stack)
{
    put_field("@tml ready vectors=", vectors);
    put_field(" hz=", BOARD_HZ);
    put_field(" arena=", arena);
    put_field(" stack=", stack);
    uart_put('\n');
}

void report_fault(const char *kind, uint32_t pc, uint32_t cfsr)
{
    put_text("\n@tml fault kind="); /* the fault may have cut a line short */
    put_text(kind);
    put_text(" pc=");
    put_word(pc);
    put_text(" cfsr=");
    put_word(cfsr);
    uart_put('\n');
}
