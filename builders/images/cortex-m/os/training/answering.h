/* Which head answers what is submitted: the model's own, or the one that is in flash. */
#ifndef TRAINING_ANSWERING_H
#define TRAINING_ANSWERING_H

#include <stdbool.h>

#include "training/head_store.h"

/* The model is about to run: its own head answers, or that of an earlier training where it was told to. */
void answering_start(const struct model *model);

/* No head answers but a model's own, until answering_start. */
void answering_stop(void);

/* There is another head in flash. */
void answering_refresh(void);

/* Whether the head in flash answers; kept over a reset, for this model. */
enum os_status answering_use(bool stored);
bool answering_used(void);

/* The head in flash; NULL when there is none of this model. */
const struct head_record *answering_stored(void);

/* The logits of the head that answers. */
void answering_logits(const int8_t *features, float *logits);

#endif
