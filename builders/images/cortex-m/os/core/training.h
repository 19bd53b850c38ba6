/* What the core asks of the training of a head. An OS that trains is linked with training/ and federation/, and any other
 * with plain/, where nothing is done. */
#ifndef CORE_TRAINING_H
#define CORE_TRAINING_H

#include <stdbool.h>
#include <stdint.h>

#include "core/model.h"

/* This model is about to run: what is known of another one's head is put aside. */
void training_use(const struct model *model);

/* One bounded slice of what is to be done; true when there is more to do at once. */
bool training_poll(void);

/* In the interrupt of inference: the trained head's output in place of the model's own, where it is the one to answer. */
bool training_answers(const struct model *model, uint8_t *output);

#endif
