/* The labelled samples that the device holds: of each the features that the head reads, and its label. No input is kept. */
#ifndef TRAINING_SAMPLES_H
#define TRAINING_SAMPLES_H

#include <stdbool.h>
#include <stdint.h>

#include "core/model.h"
#include "core/status.h"

#define SAMPLES_FEATURE_BYTES 65536u /* of all features */
#define SAMPLES_MAX 1024u            /* however few features one has */

/* Forgets them; the next ones are for this head. */
void samples_clear(const struct model_head *head);

/* Gives the input to the model, and keeps its features when they are there. OS_TOO_LARGE when there is no room for one
 * more, OS_AGAIN while the input before it waits, OS_ARGUMENT when the input has another size than the model's. */
enum os_status samples_add(uint16_t label, const uint8_t *input, uint32_t length);

/* True when a sample that was given has become one. */
bool samples_poll(void);

uint32_t samples_count(void);
uint32_t samples_capacity(void);
const int8_t *samples_features(uint32_t index);
uint16_t samples_label(uint32_t index);

#endif
