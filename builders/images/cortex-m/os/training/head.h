/* A head as a function: from features to logits, probabilities, and the output tensor that the model would have.
 *
 * Its parameters are float32 [features][outputs] and then [outputs], as Keras has them. */
#ifndef TRAINING_HEAD_H
#define TRAINING_HEAD_H

#include <stdint.h>

#include "core/model.h"

/* The parameters that the model came with. */
void head_parameters(const struct model_head *head, float *parameters);

/* A feature as a real number. */
float head_feature(const struct model_head *head, int8_t feature);

void head_logits(const struct model_head *head, const float *parameters, const int8_t *features, float *logits);

/* The same with the int8 weights that the model came with. */
void head_own_logits(const struct model_head *head, const int8_t *features, float *logits);

/* Logits become probabilities; returns the logarithm of the sum of their exponentials. */
float head_softmax(float *logits, uint32_t count);

/* The output tensor for these logits, which are overwritten. */
void head_output(const struct model_head *head, float *logits, uint8_t *output);

/* The class that the logits are largest for. */
uint32_t head_class(const float *logits, uint32_t count);

#endif
