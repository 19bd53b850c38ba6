/* One vector at a time, so that the loop goes on between them. */
#include "core/proof.h"

#include "core/bytes.h"
#include "core/inference.h"
#include "core/model_port.h"
#include "timer.h"

void proof_start(struct proof *proof)
{
    bytes_fill(proof, 0, sizeof *proof);
    br_sha256_init(&proof->received);
}

/* Hashes and keeps one output tensor. */
static void keep(struct proof *proof, const uint8_t *bytes, uint32_t count)
{
    br_sha256_update(&proof->received, bytes, count);
    uint32_t room = PROOF_OUTPUT_BYTES - proof->kept;
    uint32_t part = count < room ? count : room;
    bytes_copy(proof->outputs + proof->kept, bytes, part);
    proof->kept += part;
}

static void compare(struct proof *proof, const struct model *model, const uint8_t *expected)
{
    uint32_t byte = 0;
    for (uint32_t index = 0; index < model->outputs; index++) {
        const uint8_t *output = model->output[index];
        keep(proof, output, model->output_bytes[index]);
        for (uint32_t at = 0; at < model->output_bytes[index]; at++, byte++) {
            if (!proof->wrong && output[at] != expected[byte]) {
                proof->wrong = true;
                proof->vector = proof->next;
                proof->byte = byte;
            }
        }
    }
}

/* The timer without what the running model takes above the loop. Read until no interrupt came between the two: each of
 * them would count as this model's, or for nothing. */
static uint32_t own_now(void)
{
    uint32_t taken, now;
    do {
        taken = inference_ticks_taken();
        now = timer_now();
    } while (taken != inference_ticks_taken());
    return now + taken; /* the timer counts down */
}

bool proof_step(struct proof *proof, const struct model *model, const struct image *image)
{
    if (model->golden_vectors != image->golden_vectors ||
        (image->golden_vectors != 0 && model->all_output_bytes != image->golden_bytes)) {
        proof->wrong = true;
        return false;
    }
    if (proof->wrong || proof->next == model->golden_vectors) {
        return false;
    }
    if (proof->next == 0) {
        model_port_reset(model); /* the golden vectors are one sequence */
    }
    model_set_inputs(model, model->golden_inputs + proof->next * model->all_input_bytes);
    uint32_t begin = own_now();
    model_port_invoke(model);
    proof->last_ticks = begin - own_now();
    proof->ticks = proof->last_ticks > proof->ticks ? proof->last_ticks : proof->ticks;
    compare(proof, model, image->golden + proof->next * image->golden_bytes);
    proof->next++;
    return !proof->wrong && proof->next < model->golden_vectors;
}
