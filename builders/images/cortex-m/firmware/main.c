/* Runs the model on every golden input, and reports what it computed. */
#include <stdint.h>

#include "golden.h"
#include "model.h"
#include "profile.h"
#include "report.h"
#include "stack.h"
#include "timer.h"
#include "uart.h"

/* Golden vectors to run: all, but where the build only counts the layers. */
#if !defined(VECTORS)
#define VECTORS GOLDEN_VECTORS
#endif

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

int main(void)
{
    const uint32_t vectors = VECTORS;
    uart_start();
    timer_start();
    report_boot(vectors);
    model_reset(); /* the golden vectors are one sequence */
    for (uint32_t index = 0; index < vectors; index++) {
        one_vector(index);
    }
#if defined(PROFILE)
    model_reset();
    if (GOLDEN_VECTORS != 0) {
        set_inputs(golden_inputs);
    }
    profile();
#endif
    report_ready(vectors, MODEL_ARENA_BYTES, stack_used());
    return 0; /* startup.c idles */
}
