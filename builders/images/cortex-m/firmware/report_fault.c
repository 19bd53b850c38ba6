/* The line of a fault, apart from what is said of a model: a bootloader has none. */
#include "console.h"
#include "report.h"

void report_fault(const char *kind, uint32_t pc, uint32_t cfsr)
{
    console_text("\n@tml fault kind="); /* the fault may have cut a line short */
    console_text(kind);
    console_text(" pc=");
    console_word(pc);
    console_text(" cfsr=");
    console_word(cfsr);
    console_text("\n");
}
