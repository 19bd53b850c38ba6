/* How a model's payload begins: what the OS and a model agree in. Little-endian; addresses are absolute. */
#ifndef CORE_MODEL_IMAGE_H
#define CORE_MODEL_IMAGE_H

#include <stdint.h>

#define MODEL_IMAGE_MAGIC 0x4D4C4D54u /* "TMLM" */
#define MODEL_IMAGE_VERSION 3u
#define MODEL_IMAGE_TENSORS 8u /* inputs or outputs, at most */
#define MODEL_IMAGE_ABI_BYTES 32u
#define MODEL_IMAGE_SHA256_BYTES 32u
#define MODEL_IMAGE_NAME_BYTES 24u
#define MODEL_HEAD_PARAMETERS 8000u /* of a head that is trained, at most: weights and biases */
#define MODEL_HEAD_CLASSES 256u     /* outputs of it, at most */

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
    uint32_t state_bytes; /* of what it remembers from one inference to the next; 0: nothing */
    uint32_t head;        /* address of a struct model_head_image; 0: none that can be trained */
    uint8_t model_sha256[MODEL_IMAGE_SHA256_BYTES];
    char version[MODEL_IMAGE_NAME_BYTES];
};

/* The last dense layer of a model whose head can be trained (docs/reference/device-os-training.md). */
struct model_head_image {
    uint32_t feature_count, outputs;
    float feature_scale;
    int32_t feature_zero_point;
    float output_scale; /* of the model's output: the softmax of the logits, or the logits themselves */
    int32_t output_zero_point;
    uint32_t softmax;  /* 1: the output is the softmax */
    uint32_t features; /* address of the address of the features, int8, which lie there after an inference */
    uint32_t weights;  /* address of int8 [outputs][features] */
    uint32_t scales;   /* address of float [outputs]: of the weights; a bias has the one of the features besides */
    uint32_t bias;     /* address of int32 [outputs] */
};

#endif
