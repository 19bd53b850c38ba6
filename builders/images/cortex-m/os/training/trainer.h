/* Stochastic gradient descent on the head's parameters, one sample a step, in slices of bounded work. */
#ifndef TRAINING_TRAINER_H
#define TRAINING_TRAINER_H

#include <stdint.h>

#include "core/model.h"

enum trainer_state { TRAINER_MORE, TRAINER_DONE, TRAINER_DIVERGED };

/* Begins with the parameters as they are, over the samples that there are. The order in each epoch follows from `round`
 * and the number of the epoch. */
void trainer_start(const struct model_head *head, float *parameters, uint32_t round, uint32_t epochs, float rate);

/* One slice. TRAINER_DIVERGED when a loss or a parameter is no longer a finite number. */
enum trainer_state trainer_some(void);

/* Mean cross entropy over the last whole epoch. */
float trainer_loss(void);

/* How many it trains on, also when one more has come since. */
uint32_t trainer_samples(void);

/* Since the start of the device. */
uint32_t trainer_steps(void);

#endif
