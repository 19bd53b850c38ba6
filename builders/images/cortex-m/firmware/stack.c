/* The stack's high-water mark, by painting it. */
#include "stack.h"

#define PAINT 0xA5A5A5A5u
#define OWN_FRAME_WORDS 16 /* below the stack pointer, left alone while painting */

extern uint32_t stack_bottom[], stack_top[];

void stack_paint(void)
{
    uint32_t *pointer;
    __asm__ volatile("mov %0, sp" : "=r"(pointer));
    for (uint32_t *word = stack_bottom; word < pointer - OWN_FRAME_WORDS; word++) {
        *word = PAINT;
    }
}

uint32_t stack_used(void)
{
    const uint32_t *word = stack_bottom;
    while (word < stack_top && *word == PAINT) {
        word++;
    }
    return (uint32_t)(stack_top - word) * sizeof *word;
}
