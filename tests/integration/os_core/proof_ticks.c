/* A model is proven while another goes on in an interrupt: wherever one interrupt falls, only the model's own ticks count. */
#include "core/proof.h"

#include <stdio.h>

#include "core/inference.h"
#include "core/model_port.h"
#include "timer.h"

#define OWN 1360u
#define OTHER 1440u
#define MOMENTS 16u

static uint32_t ticks, taken, moment, interrupted;

/* Between any two reads. */
static void interrupt(void)
{
    if (moment++ == interrupted) {
        ticks -= OTHER;
        taken += OTHER;
    }
}

uint32_t timer_now(void)
{
    interrupt();
    uint32_t now = ticks;
    interrupt();
    return now;
}

uint32_t timer_since(uint32_t begin)
{
    return begin - timer_now();
}

uint32_t inference_ticks_taken(void)
{
    interrupt();
    uint32_t now = taken;
    interrupt();
    return now;
}

void model_port_invoke(const struct model *model)
{
    (void)model;
    ticks -= OWN / 2;
    interrupt();
    ticks -= OWN / 2;
}

void model_port_reset(const struct model *model)
{
    (void)model;
}

void model_set_inputs(const struct model *model, const uint8_t *bytes)
{
    (void)model;
    (void)bytes;
}

int main(void)
{
    static const uint8_t byte[1];
    struct model model = {.outputs = 1, .output = {byte}, .output_bytes = {1}, .all_output_bytes = 1, .golden_vectors = 1};
    struct image image = {.golden = byte, .golden_vectors = 1, .golden_bytes = 1};
    for (interrupted = 0; interrupted < MOMENTS; interrupted++) {
        static struct proof proof;
        ticks = OWN, taken = 0, moment = 0; /* the timer wraps on its way down */
        proof_start(&proof);
        proof_step(&proof, &model, &image);
        if (proof.wrong || proof.ticks != OWN) {
            printf("an interrupt at moment %u: %u ticks\n", (unsigned)interrupted, (unsigned)proof.ticks);
            return 1;
        }
    }
    return moment > MOMENTS; /* every moment had its interrupt */
}
