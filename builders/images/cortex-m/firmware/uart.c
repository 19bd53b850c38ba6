/* Driver of Arm's CMSDK APB UART (Cortex-M System Design Kit Technical Reference Manual, chapter 4.3). */
#include "uart.h"

#include <stdint.h>

#include "board.h"

#define UART_DATA (*(volatile uint32_t *)(BOARD_UART + 0x0u))
#define UART_STATE (*(volatile uint32_t *)(BOARD_UART + 0x4u))
#define UART_CONTROL (*(volatile uint32_t *)(BOARD_UART + 0x8u))
#define UART_DIVIDER (*(volatile uint32_t *)(BOARD_UART + 0x10u))

#define STATE_TRANSMIT_FULL 1u
#define CONTROL_TRANSMIT 1u
#define BAUD 115200u

void uart_start(void)
{
    UART_DIVIDER = BOARD_HZ / BAUD;
    UART_CONTROL = CONTROL_TRANSMIT;
}

void uart_put(char letter)
{
    while (UART_STATE & STATE_TRANSMIT_FULL) {
    }
    UART_DATA = (uint8_t)letter;
}
