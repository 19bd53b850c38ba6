/* The board's first UART, transmit only, polled. */
#ifndef UART_H
#define UART_H

void uart_start(void);
void uart_put(char letter);

#endif
