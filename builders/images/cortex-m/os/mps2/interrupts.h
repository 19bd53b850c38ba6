/* The interrupts of the MPS2 boards that the OS uses (Arm AN385, table 4-2), and the processor's controller of them. */
#ifndef MPS2_INTERRUPTS_H
#define MPS2_INTERRUPTS_H

#include <stdint.h>

#define INTERRUPTS 32u
#define INTERRUPT_TIMER_1 9u
#define INTERRUPT_ETHERNET 13u

#define PRIORITY_LOWEST 0xE0u
#define PRIORITY_MIDDLE 0x80u

static inline void interrupt_enable(uint32_t number, uint8_t priority)
{
    *(volatile uint8_t *)(0xE000E400u + number) = priority;       /* NVIC_IPR */
    *(volatile uint32_t *)0xE000E100u = (uint32_t)1 << number;    /* NVIC_ISER0 */
}

#endif
