/* Runs the model on every golden input, reports what it computed, and idles. */
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

int main(void)
{
    uart_start();
    timer_start();
    report_boot(GOLDEN_VECTORS);
    for (uint32_t index = 0; index < GOLDEN_VECTORS; index++) {
        set_inputs(golden_inputs + index * MODEL_INPUT_BYTES);
        uint32_t begin = timer_ticks();
        model_invoke();
        report_golden_start(index, timer_ticks() - begin);
        for (uint32_t output = 0; output < MODEL_OUTPUTS; output++) {
            report_golden_output(model_outputs[output], model_output_bytes[output]);
        }
        report_golden_end();
    }
    report_ready(GOLDEN_VECTORS, MODEL_ARENA_BYTES, stack_used());
    for (;;) {
        __asm__("wfi");
    }
}
