/* Takes a model's header apart. It was signed, but a defect of a builder must not become one of the OS. */
#include "core/model.h"

#include <stdbool.h>
#include <stddef.h>

#include "core/bytes.h"
#include "core/model_port.h"

#define LARGEST_SCALE 1e9f /* of a quantisation */

static bool within(uint32_t start, uint32_t end, uint32_t address, uint32_t length)
{
    return address >= start && address <= end && length <= end - address;
}

static bool in_constants(const struct model_place *place, uint32_t address, uint32_t length)
{
    return within(place->constants, place->constants_end, address, length);
}

static bool in_ram(const struct model_place *place, uint32_t address, uint32_t length)
{
    return within(place->ram, place->ram_end, address, length);
}

static uint32_t word_at(uint32_t address)
{
    uint32_t word;
    bytes_copy(&word, model_port_memory(address), sizeof word);
    return word;
}

/* Reads `count` addresses and sizes; false when one leads out of the place. */
static bool read_tensors(const struct model_place *place, uint32_t count, uint32_t addresses, uint32_t sizes,
                         bool written, uint8_t **tensor, uint32_t *bytes, uint32_t *all)
{
    uint32_t table = count * (uint32_t)sizeof(uint32_t);
    if (count > MODEL_IMAGE_TENSORS || !in_constants(place, addresses, table) || !in_constants(place, sizes, table)) {
        return false;
    }
    *all = 0;
    for (uint32_t index = 0; index < count; index++) {
        uint32_t address = word_at(addresses + index * (uint32_t)sizeof(uint32_t));
        uint32_t size = word_at(sizes + index * (uint32_t)sizeof(uint32_t));
        if (!in_ram(place, address, size) && (written || !in_constants(place, address, size))) {
            return false;
        }
        tensor[index] = model_port_memory(address);
        bytes[index] = size;
        *all += size; /* each is within a place of at most 4 MiB, and there are eight */
    }
    return true;
}

static bool initialise(const struct model_place *place, const struct model_image *image)
{
    if (image->bss_start == 0 && image->data_start == 0) {
        return true; /* the firmware's own: its start-up has done it */
    }
    uint32_t data = image->data_end - image->data_start, bss = image->bss_end - image->bss_start;
    if (image->data_end < image->data_start || image->bss_end < image->bss_start ||
        !in_ram(place, image->data_start, data) || !in_ram(place, image->bss_start, bss) ||
        !in_constants(place, image->data_load, data)) {
        return false;
    }
    bytes_copy(model_port_memory(image->data_start), model_port_memory(image->data_load), data);
    bytes_fill(model_port_memory(image->bss_start), 0, bss);
    return true;
}

static bool usable_scale(float scale)
{
    return scale > 0 && scale < LARGEST_SCALE; /* neither of them is true of what is not a number */
}

static bool aligned_constants(const struct model_place *place, uint32_t address, uint32_t length)
{
    return address % sizeof(uint32_t) == 0 && in_constants(place, address, length);
}

/* Reads what a model says of its head; false when it cannot be so. Its outputs are known already. */
static bool read_head(const struct model_place *place, uint32_t address, const struct model *model,
                      struct model_head *head)
{
    *head = (struct model_head){.features = NULL};
    if (address == 0) {
        return true;
    }
    if (!aligned_constants(place, address, sizeof(struct model_head_image))) {
        return false;
    }
    const struct model_head_image *image = model_port_memory(address);
    uint32_t outputs = image->outputs, features = image->feature_count;
    if (outputs < 2 || outputs > MODEL_HEAD_CLASSES || features == 0 || features > MODEL_HEAD_PARAMETERS ||
        (features + 1) * outputs > MODEL_HEAD_PARAMETERS || model->outputs != 1 ||
        model->all_output_bytes != outputs || !usable_scale(image->feature_scale) ||
        !usable_scale(image->output_scale) || !aligned_constants(place, image->features, sizeof(uint32_t)) ||
        !in_ram(place, word_at(image->features), features) || !in_constants(place, image->weights, features * outputs) ||
        !aligned_constants(place, image->scales, outputs * (uint32_t)sizeof(float)) ||
        !aligned_constants(place, image->bias, outputs * (uint32_t)sizeof(int32_t))) {
        return false;
    }
    *head = (struct model_head){
        .features = model_port_memory(word_at(image->features)),
        .feature_count = features,
        .outputs = outputs,
        .parameters = (features + 1) * outputs,
        .feature_scale = image->feature_scale,
        .feature_zero_point = image->feature_zero_point,
        .output_scale = image->output_scale,
        .output_zero_point = image->output_zero_point,
        .softmax = image->softmax != 0,
        .weights = model_port_memory(image->weights),
        .scales = model_port_memory(image->scales),
        .bias = model_port_memory(image->bias),
    };
    return true;
}

enum os_status model_read(const struct model_place *place, struct model *into)
{
    const struct model_image *image = model_port_memory(place->header);
    if (!in_constants(place, place->header, sizeof *image) || image->magic != MODEL_IMAGE_MAGIC ||
        image->header_version != MODEL_IMAGE_VERSION || image->header_bytes != sizeof *image ||
        image->version[MODEL_IMAGE_NAME_BYTES - 1] != '\0') {
        return OS_DAMAGED;
    }
    uint8_t *outputs[MODEL_IMAGE_TENSORS];
    into->outputs = image->outputs;
    if (!read_tensors(place, image->inputs, image->input, image->input_bytes, true, into->input, into->input_bytes,
                      &into->all_input_bytes) ||
        !read_tensors(place, image->outputs, image->output, image->output_bytes, false, outputs, into->output_bytes,
                      &into->all_output_bytes) ||
        !in_constants(place, image->invoke & ~1u, sizeof(uint16_t)) ||
        !in_constants(place, image->reset & ~1u, sizeof(uint16_t)) ||
        (image->golden_vectors != 0 && into->all_input_bytes > (place->constants_end - place->constants) /
                                                                   image->golden_vectors) ||
        !in_constants(place, image->golden_inputs, image->golden_vectors * into->all_input_bytes) ||
        !read_head(place, image->head, into, &into->head) || !initialise(place, image)) {
        return OS_DAMAGED;
    }
    for (uint32_t index = 0; index < image->outputs; index++) {
        into->output[index] = outputs[index];
    }
    into->inputs = image->inputs;
    into->arena_bytes = image->arena_bytes;
    into->invoke = image->invoke;
    into->reset = image->reset;
    into->golden_vectors = image->golden_vectors;
    into->golden_inputs = model_port_memory(image->golden_inputs);
    into->state_bytes = image->state_bytes;
    into->sha256 = image->model_sha256;
    into->version = image->version;
    return OS_OK;
}

void model_set_inputs(const struct model *model, const uint8_t *bytes)
{
    for (uint32_t index = 0; index < model->inputs; index++) {
        bytes_copy(model->input[index], bytes, model->input_bytes[index]);
        bytes += model->input_bytes[index];
    }
}

void model_get_outputs(const struct model *model, uint8_t *bytes)
{
    for (uint32_t index = 0; index < model->outputs; index++) {
        bytes_copy(bytes, model->output[index], model->output_bytes[index]);
        bytes += model->output_bytes[index];
    }
}
