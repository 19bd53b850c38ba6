/* Formats the report's lines. */
#include "report.h"

#include "board.h"
#include "build_info.h"
#include "console.h"

static void put_field(const char *name, uint32_t value)
{
    console_text(name);
    console_decimal(value);
}

void report_boot(uint32_t vectors)
{
    console_text("@tml boot version=" BUILD_VERSION " board=" BUILD_BOARD " model=" BUILD_MODEL " abi=" BUILD_ABI);
    put_field(" vectors=", vectors);
    console_text("\n");
}

void report_golden_start(uint32_t index, uint32_t ticks)
{
    put_field("@tml golden index=", index);
    put_field(" ticks=", ticks);
    console_text(" output=");
}

void report_golden_output(const uint8_t *bytes, uint32_t count)
{
    for (uint32_t index = 0; index < count; index++) {
        console_byte(bytes[index]);
    }
}

void report_golden_end(void)
{
    console_text("\n");
}

void report_layer(uint32_t index, uint32_t ticks, uint32_t thousandths, const char *name)
{
    put_field("@tml layer index=", index);
    put_field(" ticks=", ticks + thousandths / 1000);
    console_text(".");
    for (uint32_t place = 100; place; place /= 10) {
        console_decimal(thousandths / place % 10);
    }
    console_text(" name=");
    console_text(name);
    console_text("\n");
}

void report_ready(uint32_t vectors, uint32_t arena, uint32_t stack)
{
    put_field("@tml ready vectors=", vectors);
    put_field(" hz=", BOARD_HZ);
    put_field(" arena=", arena);
    put_field(" stack=", stack);
    console_text("\n");
}
