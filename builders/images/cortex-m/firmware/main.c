/* Runs the model on every golden input, and reports what it computed. */
#include <stdint.h>

#include "golden.h"
#include "model.h"
#include "report.h"
#include "stack.h"
#include "timer.h"
#include "uart.h"

static void set_inputs(const uint8_t *bytes)
{
    for (uint32_t index = 0; index < MODEL_INPUTS; index++) {
        __builtin_memcpy(model_inputs[index], bytes, model_input_bytes[index]);
        bytes += model_input_bytes[index];
    }
}

static void one_vector(uint32_t index)
{
    set_inputs(golden_inputs + index * MODEL_INPUT_BYTES);
    uint32_t begin = timer_now();
    model_invoke();
    report_golden_start(index, timer_since(begin));
    for (uint32_t output = 0; output < MODEL_OUTPUTS; output++) {
        report_golden_output(model_outputs[output], model_output_bytes[output]);
    }
    report_golden_end();
}

#if defined(MODEL_PROFILE)
/* The first vector once more, layer by layer. */
static void profile(void)
{
    if (GOLDEN_VECTORS == 0) {
        return;
    }
    model_reset();
    set_inputs(golden_inputs);
    for (uint32_t index = 0; index < MODEL_PROFILE; index++) {
        uint32_t begin = timer_now();
        model_layers[index].run();
        report_layer(model_layers[index].index, timer_since(begin), model_layers[index].name);
    }
}
#endif

int main(void)
{
    uart_start();
    timer_start();
    report_boot(GOLDEN_VECTORS);
    model_reset(); /* the golden vectors are one sequence */
    for (uint32_t index = 0; index < GOLDEN_VECTORS; index++) {
        one_vector(index);
    }
#if defined(MODEL_PROFILE)
    profile();
#endif
    report_ready(GOLDEN_VECTORS, MODEL_ARENA_BYTES, stack_used());
    return 0; /* startup.c idles */
}
