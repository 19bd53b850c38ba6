/* How much of the stack has ever been used. */
#ifndef STACK_H
#define STACK_H

#include <stdint.h>

/* Fills the unused stack with a pattern. */
void stack_paint(void);

/* Bytes of the stack that no longer hold the pattern. */
uint32_t stack_used(void);

#endif
