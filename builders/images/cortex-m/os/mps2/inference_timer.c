/* The one-shot interrupt of inference: the second CMSDK timer, at the lowest priority there is. */
#include <stdint.h>

#include "board.h"
#include "core/inference.h"
#include "core/inference_port.h"
#include "mps2/interrupts.h"

#define TIMER_CONTROL (*(volatile uint32_t *)(BOARD_TIMER_1 + 0x0u))
#define TIMER_VALUE (*(volatile uint32_t *)(BOARD_TIMER_1 + 0x4u))
#define TIMER_RELOAD (*(volatile uint32_t *)(BOARD_TIMER_1 + 0x8u))
#define TIMER_CLEAR (*(volatile uint32_t *)(BOARD_TIMER_1 + 0xCu))
#define ENABLED_WITH_INTERRUPT 9u
#define FIRST_TICKS 1000u

void interrupt_inference(void);

static void arm(uint32_t ticks)
{
    TIMER_RELOAD = 0;
    TIMER_VALUE = ticks;
    TIMER_CONTROL = ENABLED_WITH_INTERRUPT;
}

void inference_port_start(void)
{
    interrupt_enable(INTERRUPT_TIMER_1, PRIORITY_LOWEST);
    arm(FIRST_TICKS);
}

void interrupt_inference(void)
{
    TIMER_CONTROL = 0;
    TIMER_CLEAR = 1;
    arm(inference_turn());
}
