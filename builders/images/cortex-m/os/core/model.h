/* Models that can be run: the firmware's own and those of the slots. */
#ifndef CORE_MODEL_H
#define CORE_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "core/model_image.h"
#include "core/status.h"

/* Where a model may have its parts: [start, end). */
struct model_place {
    uint32_t header;                   /* within the constants */
    uint32_t constants, constants_end; /* and code */
    uint32_t ram, ram_end;
};

/* A head that can be trained: what it reads after an inference, and its weights as the model has them. */
struct model_head {
    const int8_t *features; /* NULL: the model has none */
    uint32_t feature_count, outputs, parameters;
    float feature_scale;
    int32_t feature_zero_point;
    float output_scale;
    int32_t output_zero_point;
    bool softmax;
    const int8_t *weights; /* [outputs][features] */
    const float *scales;
    const int32_t *bias;
};

struct model {
    uint32_t inputs, outputs;
    uint8_t *input[MODEL_IMAGE_TENSORS];
    const uint8_t *output[MODEL_IMAGE_TENSORS];
    uint32_t input_bytes[MODEL_IMAGE_TENSORS], output_bytes[MODEL_IMAGE_TENSORS];
    uint32_t all_input_bytes, all_output_bytes;
    uint32_t arena_bytes;
    uint32_t invoke, reset;
    uint32_t golden_vectors;
    const uint8_t *golden_inputs;
    uint32_t state_bytes; /* kept from one inference to the next */
    struct model_head head;
    const uint8_t *sha256;
    const char *version;
};

/* Reads the header, believing no address that leads out of the place; OS_DAMAGED for one that does.
 * A model whose data is to be initialised gets it. */
enum os_status model_read(const struct model_place *place, struct model *into);

void model_set_inputs(const struct model *model, const uint8_t *bytes);
void model_get_outputs(const struct model *model, uint8_t *bytes);

#endif
