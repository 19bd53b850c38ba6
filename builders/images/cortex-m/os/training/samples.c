/* Samples in one array, each as long as the head's features. */
#include "training/samples.h"

#include <stddef.h>

#include "core/inference.h"

static uint8_t features[SAMPLES_FEATURE_BYTES];
static uint16_t labels[SAMPLES_MAX];
static uint32_t size, count, capacity; /* size: of one */
static bool coming;                    /* the next one is being computed */

void samples_clear(const struct model_head *head)
{
    size = head->features == NULL ? 0 : head->feature_count;
    capacity = size == 0 ? 0 : SAMPLES_FEATURE_BYTES / size;
    capacity = capacity > SAMPLES_MAX ? SAMPLES_MAX : capacity;
    count = 0;
    coming = false;
}

enum os_status samples_add(uint16_t label, const uint8_t *input, uint32_t length)
{
    if (coming) {
        return OS_AGAIN;
    }
    if (count == capacity) {
        return OS_TOO_LARGE;
    }
    int status = inference_submit_for_features(input, length, features + count * size);
    if (status == OS_OK) {
        labels[count] = label;
        coming = true;
    }
    return (enum os_status)status;
}

bool samples_poll(void)
{
    if (!coming || inference_waits()) {
        return false;
    }
    coming = false;
    count++;
    return true;
}

uint32_t samples_count(void)
{
    return count;
}

uint32_t samples_capacity(void)
{
    return capacity;
}

const int8_t *samples_features(uint32_t index)
{
    return (const int8_t *)features + index * size;
}

uint16_t samples_label(uint32_t index)
{
    return labels[index];
}
