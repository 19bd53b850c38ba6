/* The proof that a model computes here what its signed image promises: the golden vectors, byte for byte. */
#ifndef CORE_PROOF_H
#define CORE_PROOF_H

#include <bearssl_hash.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/image.h"
#include "core/model.h"

#define PROOF_OUTPUT_BYTES 1024u /* of all vectors together, kept for the report; more are hashed only */

struct proof {
    uint32_t next;         /* vector */
    bool wrong;
    uint32_t vector, byte; /* the first difference */
    uint32_t ticks, last_ticks; /* of the slowest vector, of the last one */
    uint8_t outputs[PROOF_OUTPUT_BYTES];
    uint32_t kept;         /* bytes of `outputs` */
    br_sha256_context received;
};

void proof_start(struct proof *proof);

/* Computes one vector in the model's own memory, and compares; false when there is none left or one was wrong. An image
 * and a model that disagree in the number or size of vectors are wrong at vector 0. */
bool proof_step(struct proof *proof, const struct model *model, const struct image *image);

#endif
