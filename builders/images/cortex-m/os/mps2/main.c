/* The firmware's main loop on the MPS2 boards. */
#include "core/network.h"
#include "core/os.h"
#include "core/watchdog.h"
#include "mps2/tick.h"
#include "uart.h"

int main(void)
{
    uart_start();
    tick_start();
    os_start();
    for (;;) {
        watchdog_feed();
        if (!os_turn()) {
            /* With interrupts masked the pending one still ends the sleep, and none is missed before it begins. */
            __asm__ volatile("cpsid i" ::: "memory");
            if (network_idle()) {
                __asm__ volatile("wfi");
            }
            __asm__ volatile("cpsie i" ::: "memory");
        }
    }
}
