/* From reset to main, for bootloader and firmware: vector table, memory, and faults that end in a reset. */
#include <stddef.h>
#include <stdint.h>

#include "core/handover.h"
#include "mps2/interrupts.h"
#include "mps2/reset.h"
#include "report.h"
#include "stack.h"
#include "uart.h"

#define SCB_VTOR (*(volatile uint32_t *)0xE000ED08u)
#define SCB_SHCSR (*(volatile uint32_t *)0xE000ED24u)
#define SCB_CFSR (*(volatile uint32_t *)0xE000ED28u)
#define SHCSR_FAULTS_ENABLED (7u << 16) /* memory management, bus, usage */

#define FRAME_WORDS 8 /* r0-r3, r12, lr, pc, xpsr */
#define FRAME_PC 6
#define EXCEPTION_NMI 2u
#define EXCEPTIONS 16u

extern uint32_t stack_bottom[], stack_top[];
extern uint32_t data_start[], data_end[], data_load[];
extern uint32_t bss_start[], bss_end[];

int main(void);
void reset(void);
__attribute__((used, noreturn)) void start(void);
__attribute__((used, noreturn)) void fault_report(const uint32_t *frame, uint32_t exception);

/* The floating-point unit is on before any C runs. */
__attribute__((naked)) void reset(void)
{
    __asm__("cpsie i\n"
            "ldr r0, =0xE000ED88\n" /* CPACR */
            "ldr r1, [r0]\n"
            "orr r1, r1, #0xF00000\n" /* full access to coprocessors 10 and 11 */
            "str r1, [r0]\n"
            "dsb\n"
            "isb\n"
            "b start\n");
}

/* Faults, and the watchdog's warning. They go on below the frame that they read, unless the stack is what is broken:
 * then on a fresh one. */
__attribute__((naked)) static void fault(void)
{
    __asm__("mrs r0, msp\n"
            "mrs r1, ipsr\n"
            "ldr r2, =stack_top\n"
            "cmp r0, r2\n"
            "bhi 1f\n"
            "ldr r3, =stack_bottom\n"
            "add r3, r3, #512\n" /* what the report needs */
            "cmp r0, r3\n"
            "bhs 2f\n"
            "1: msr msp, r2\n"
            "2: b fault_report\n");
}

static void nothing(void)
{
}

/* What a program does not define does nothing: the bootloader has no interrupts. */
__attribute__((weak, alias("nothing"))) void interrupt_tick(void);
__attribute__((weak, alias("nothing"))) void interrupt_inference(void);
__attribute__((weak, alias("nothing"))) void network_interrupt(void);

typedef union {
    uint32_t *stack;
    void (*handler)(void);
} vector;

__attribute__((section(".vectors"), used)) static const vector vectors[EXCEPTIONS + INTERRUPTS] = {
    [0] = {.stack = stack_top},
    [1] = {.handler = reset},
    [2 ... 14] = {.handler = fault}, /* NMI, which is the watchdog's warning, the faults, SVCall, PendSV */
    [15] = {.handler = interrupt_tick},
    [EXCEPTIONS... EXCEPTIONS + INTERRUPT_TIMER_1 - 1] = {.handler = fault},
    [EXCEPTIONS + INTERRUPT_TIMER_1] = {.handler = interrupt_inference},
    [EXCEPTIONS + INTERRUPT_TIMER_1 + 1 ... EXCEPTIONS + INTERRUPT_ETHERNET - 1] = {.handler = fault},
    [EXCEPTIONS + INTERRUPT_ETHERNET] = {.handler = network_interrupt},
    [EXCEPTIONS + INTERRUPT_ETHERNET + 1 ... EXCEPTIONS + INTERRUPTS - 1] = {.handler = fault},
};

void start(void)
{
    SCB_VTOR = (uint32_t)(uintptr_t)vectors;
    SCB_SHCSR |= SHCSR_FAULTS_ENABLED;
    stack_paint();
    const uint32_t *from = data_load;
    for (uint32_t *to = data_start; to < data_end; to++) {
        *to = *from++;
    }
    for (uint32_t *to = bss_start; to < bss_end; to++) {
        *to = 0;
    }
    main();
    reset_board();
}

void fault_report(const uint32_t *frame, uint32_t exception)
{
    static const char *const kinds[] = {"unexpected", "unexpected", "watchdog", "hard", "memory", "bus", "usage"};
    int inside = frame >= stack_bottom && frame + FRAME_WORDS <= stack_top;
    uint32_t pc = inside ? frame[FRAME_PC] : 0;
    handover_announce(exception == EXCEPTION_NMI ? RESET_WATCHDOG : RESET_FAULT, pc, SCB_CFSR);
    uart_start();
    report_fault(exception < sizeof kinds / sizeof kinds[0] ? kinds[exception] : "unexpected", pc, SCB_CFSR);
    reset_board();
}
