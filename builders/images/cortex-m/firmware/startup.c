/* From reset to main: vector table, memory, and faults as a line on the UART. */
#include <stddef.h>
#include <stdint.h>

#include "report.h"
#include "stack.h"
#include "uart.h"

#define SCB_VTOR (*(volatile uint32_t *)0xE000ED08u)
#define SCB_SHCSR (*(volatile uint32_t *)0xE000ED24u)
#define SCB_CFSR (*(volatile uint32_t *)0xE000ED28u)
#define SHCSR_FAULTS_ENABLED (7u << 16) /* memory management, bus, usage */

#define FRAME_WORDS 8 /* r0-r3, r12, lr, pc, xpsr */
#define FRAME_PC 6

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
    __asm__("ldr r0, =0xE000ED88\n" /* CPACR */
            "ldr r1, [r0]\n"
            "orr r1, r1, #0xF00000\n" /* full access to coprocessors 10 and 11 */
            "str r1, [r0]\n"
            "dsb\n"
            "isb\n"
            "b start\n");
}

/* Faults run on a fresh stack: theirs may be the one that overflowed. */
__attribute__((naked)) static void fault(void)
{
    __asm__("mrs r0, msp\n"
            "mrs r1, ipsr\n"
            "ldr r2, =stack_top\n"
            "msr msp, r2\n"
            "b fault_report\n");
}

typedef union {
    uint32_t *stack;
    void (*handler)(void);
} vector;

__attribute__((section(".vectors"), used)) static const vector vectors[16] = {
    {.stack = stack_top},
    {.handler = reset},
    {.handler = fault}, /* NMI */
    {.handler = fault}, /* hard fault */
    {.handler = fault}, /* memory management */
    {.handler = fault}, /* bus fault */
    {.handler = fault}, /* usage fault */
    {.handler = fault},
    {.handler = fault},
    {.handler = fault},
    {.handler = fault},
    {.handler = fault}, /* SVCall */
    {.handler = fault},
    {.handler = fault},
    {.handler = fault}, /* PendSV */
    {.handler = fault}, /* SysTick */
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
    for (;;) {
        __asm__("wfi");
    }
}

void fault_report(const uint32_t *frame, uint32_t exception)
{
    static const char *const kinds[] = {"unexpected", "unexpected", "nmi", "hard", "memory", "bus", "usage"};
    int inside = frame >= stack_bottom && frame + FRAME_WORDS <= stack_top;
    uart_start();
    report_fault(exception < sizeof kinds / sizeof kinds[0] ? kinds[exception] : "unexpected",
                 inside ? frame[FRAME_PC] : 0, SCB_CFSR);
    for (;;) {
        __asm__("wfi");
    }
}
