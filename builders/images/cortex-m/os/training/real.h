/* Exponential and logarithm in float32: the same bits on every processor, with a floating-point unit and without. */
#ifndef TRAINING_REAL_H
#define TRAINING_REAL_H

#include <stdbool.h>

/* e to the power of a number that is not positive; within two units in the last place, 0 below -87. */
float real_exp(float exponent);

/* The natural logarithm of a finite number that is at least 1. */
float real_log(float number);

bool real_finite(float number);

#endif
