/* The reset of the whole board by its processor. */
#ifndef MPS2_RESET_H
#define MPS2_RESET_H

#include <stdint.h>

static inline __attribute__((noreturn)) void reset_board(void)
{
    *(volatile uint32_t *)0xE000ED0Cu = 0x05FA0004u; /* AIRCR: SYSRESETREQ */
    for (;;) {
        __asm__ volatile("dsb");
    }
}

#endif
