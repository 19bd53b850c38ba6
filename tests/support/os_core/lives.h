/* Lives of the simulated board, one after the other, and the power cut in them (lives.c). */
#ifndef LIVES_H
#define LIVES_H

#include <stdint.h>

#define LIVES 16

/* The flash that every board begins with. */
extern uint8_t *life_template;

void fail(const char *what) __attribute__((noreturn));

/* From reset to its end, an enum life; program.c says what is done in it. */
int one_life(void);

/* The whole update again and again, power cut at operation `first`, `first` + `step`...; what came of it, as lines. */
int power(uint64_t first, uint64_t step, uint64_t second);

/* The same of a training. */
int learn_power(uint64_t first, uint64_t step);

#endif
