/* The features of an input are its first bytes; the flash keeps what is written until the program ends. */
#include "training_memory.h"

#include <string.h>

#include "core/flash_map.h"
#include "core/flash_port.h"
#include "core/inference.h"
#include "core/training.h"

#define FEATURES 4u
#define CLASSES 3u

static uint8_t flash[FLASH_BYTES];
static bool erased;

static const int8_t features[FEATURES], weights[CLASSES * FEATURES];
static const float scales[CLASSES] = {0.5f, 0.5f, 0.5f};
static const int32_t bias[CLASSES];
static const uint8_t sha256[MODEL_IMAGE_SHA256_BYTES];

static const struct model model = {
    .all_input_bytes = TRAINING_MEMORY_INPUT_BYTES,
    .sha256 = sha256,
    .head = {.features = features,
             .feature_count = FEATURES,
             .outputs = CLASSES,
             .parameters = (FEATURES + 1) * CLASSES,
             .feature_scale = 0.0625f,
             .output_scale = 1.0f / 256,
             .output_zero_point = -128,
             .softmax = true,
             .weights = weights,
             .scales = scales,
             .bias = bias},
};

void training_memory_clear(void)
{
    if (!erased) {
        memset(flash, 0xFF, sizeof flash);
        erased = true;
    }
    flash_port_erase(FLASH_HEAD); /* of each copy what makes it one */
    flash_port_erase(FLASH_HEAD + FLASH_HEAD_COPY_BYTES);
    training_use(&model);
}

const uint8_t *flash_port_base(void)
{
    return flash;
}

void flash_port_erase(uint32_t offset)
{
    memset(flash + offset, 0xFF, FLASH_SECTOR);
}

void flash_port_program(uint32_t offset, const uint8_t *data)
{
    for (uint32_t at = 0; at < FLASH_GRANULE; at++) {
        flash[offset + at] &= data[at];
    }
}

int inference_submit_for_features(const uint8_t *input, uint32_t length, uint8_t *into)
{
    if (length != TRAINING_MEMORY_INPUT_BYTES) {
        return OS_ARGUMENT;
    }
    memcpy(into, input, FEATURES);
    return OS_OK;
}

bool inference_waits(void)
{
    return false;
}
