/* Times the layers one by one, to a few instructions although a tick of the timer is some 40 of them: a layer begins
 * with a tick, and what is left of the last tick after it is measured by how often the timer can still be read.
 */
#include "profile.h"

#include "model.h"
#include "report.h"
#include "timer.h"

#define PARTS 1000u /* of a tick, in what is reported */

struct duration {
    uint32_t ticks;
    uint32_t parts;
};

struct edge {
    uint32_t before; /* the timer as it was read first, and after its next tick */
    uint32_t after;
    uint32_t rounds; /* how often it was read in vain */
};

/* Waits for the next tick. One loop for all, so that a round takes the same. */
__attribute__((noinline)) static struct edge next_tick(void)
{
    struct edge found = {timer_now(), 0, 0};
    while ((found.after = timer_now()) == found.before) {
        found.rounds++;
    }
    return found;
}

/* The rounds of a whole tick. */
static uint32_t rounds_per_tick(void)
{
    next_tick();
    const uint32_t rounds = next_tick().rounds;
    return rounds ? rounds : 1;
}

__attribute__((noinline)) static struct duration timed(void (*run)(void), uint32_t rounds_of_tick)
{
    const struct edge begin = next_tick();
    run();
    const struct edge end = next_tick();
    const uint32_t left = end.rounds < rounds_of_tick ? end.rounds : rounds_of_tick;
    return (struct duration){timer_between(begin.after, end.before), PARTS - PARTS * left / rounds_of_tick};
}

static void nothing(void)
{
}

static struct duration without(struct duration whole, uint32_t parts)
{
    if (whole.parts >= parts) {
        return (struct duration){whole.ticks, whole.parts - parts};
    }
    return whole.ticks ? (struct duration){whole.ticks - 1, whole.parts + PARTS - parts} : (struct duration){0, 0};
}

void profile(void)
{
    const uint32_t rounds = rounds_per_tick();
    /* A call and two readings of the timer: in every measurement, and not in the layer. */
    const struct duration empty = timed(nothing, rounds);
    const uint32_t overhead = empty.ticks ? PARTS : empty.parts;
    for (uint32_t index = 0; index < MODEL_LAYERS; index++) {
        const struct duration found = without(timed(model_layers[index].run, rounds), overhead);
        report_layer(model_layers[index].index, found.ticks, found.parts, model_layers[index].name);
    }
}
