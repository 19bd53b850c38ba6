/* How a model's payload begins: what the OS and a model agree in. Little-endian; addresses are absolute. */
#ifndef CORE_MODEL_IMAGE_H
#define CORE_MODEL_IMAGE_H

#include <stdint.h>

#define MODEL_IMAGE_MAGIC 0x4D4C4D54u /* "TMLM" */
#define MODEL_IMAGE_VERSION 2u
#define MODEL_IMAGE_TENSORS 8u /* inputs or outputs, at most */
#define MODEL_IMAGE_ABI_BYTES 32u
#define MODEL_IMAGE_SHA256_BYTES 32u
#define MODEL_IMAGE_NAME_BYTES 24u

struct model_image {
    uint32_t magic;
    uint16_t header_version, header_bytes;
    uint8_t abi[MODEL_IMAGE_ABI_BYTES];
    /* The OS copies data and clears bss before the model first runs; nothing to do in the firmware's own model. */
    uint32_t data_start, data_end, data_load, bss_start, bss_end;
    uint32_t arena_bytes;
    uint32_t inputs, outputs;       /* how many */
    uint32_t input, input_bytes;    /* address of an array of addresses, and of one of sizes */
    uint32_t output, output_bytes;
    uint32_t invoke;                /* int (*)(void), with the Thumb bit */
    uint32_t reset;                 /* void (*)(void), with the Thumb bit: back to the state of the first inference */
    uint32_t golden_vectors, golden_inputs;
    uint8_t model_sha256[MODEL_IMAGE_SHA256_BYTES];
    char version[MODEL_IMAGE_NAME_BYTES];
};

#endif
