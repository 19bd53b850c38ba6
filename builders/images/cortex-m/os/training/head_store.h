/* The trained head in flash: written once a round, in two copies, and read where it lies. */
#ifndef TRAINING_HEAD_STORE_H
#define TRAINING_HEAD_STORE_H

#include <stdint.h>

#include "core/model.h"
#include "core/status.h"

/* What precedes the parameters. A multiple of the flash's granule. */
struct head_record {
    uint8_t model[MODEL_IMAGE_SHA256_BYTES]; /* whose head it is */
    uint8_t base[MODEL_IMAGE_SHA256_BYTES];  /* SHA-256 of the parameters that training began with */
    uint32_t round, samples; /* of 0 samples: as it was given, not trained */
    uint32_t persists; /* how often a head was written to this flash, with this one */
    uint32_t parameters;
    float loss;
    uint32_t unused[3];
};

/* The newest head in flash when it is one of this model, and its parameters; NULL when there is none. */
const struct head_record *head_store_find(const struct model *model, const float **parameters);

/* How often a head was written to this flash. */
uint32_t head_store_persists(void);

/* Begins to write; `persists` is filled in. Both stay as they are until it is done. */
enum os_status head_store_begin(struct head_record *record, const float *parameters);

/* One slice: OS_AGAIN while there is more. The head before it counts until OS_OK. */
enum os_status head_store_some(void);

#endif
