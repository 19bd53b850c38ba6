/* The MPS2 boards' side of the small ports: memory, models, the words that survive a reset, and endings. */
#include <stdint.h>

#include "board.h"
#include "console.h"
#include "core/handover_port.h"
#include "core/model_port.h"
#include "core/system_port.h"
#include "mps2/reset.h"

struct handover *handover_words(void)
{
    return (struct handover *)BOARD_HANDOVER;
}

void *model_port_memory(uint32_t address)
{
    return (void *)(uintptr_t)address;
}

void model_port_invoke(const struct model *model)
{
    ((int (*)(void))(uintptr_t)model->invoke)();
}

void model_port_reset(const struct model *model)
{
    ((void (*)(void))(uintptr_t)model->reset)();
}

void system_port_reset(void)
{
    handover_announce(RESET_SOFTWARE, 0, 0);
    reset_board();
}

void system_port_halt(const char *why)
{
    console_text("os: halted: ");
    console_text(why);
    console_text("\n");
    for (;;) {
        __asm__ volatile("wfi");
    }
}
