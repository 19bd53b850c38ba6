/* Long short-term memory: four gates, each a fully connected layer of the input and one of the hidden state, a cell of
 * 16 bits and a hidden state of 8. The biases hold the zero points (tml_conv.h). */
#ifndef TML_LSTM_H
#define TML_LSTM_H

#include "tml_dot.h"
#include "tml_fixed_point.h"
#include "tml_specialise.h"

/* Weights in pairs of units, padded as in tml_conv.h. */
struct tml_lstm_gate {
    const int8_t *input_weights, *hidden_weights;
    const int32_t *input_bias, *hidden_bias;
    int32_t input_multiplier, input_shift, hidden_multiplier, hidden_shift;
};

/* The strides are rows from one batch, and from one step, to the next. sigmoid: Q0.16, 24 entries for a step of 1. */
struct tml_lstm_layer {
    int32_t batches, steps, depth, units;
    int32_t batch_stride, step_stride;
    struct tml_lstm_gate input_gate, forget_gate, cell_gate, output_gate;
    int32_t forget_multiplier, forget_shift, cell_multiplier, cell_shift, cell_clip;
    int32_t tanh_multiplier, tanh_shift;
    int32_t hidden_multiplier, hidden_shift, hidden_zero;
    const uint16_t *sigmoid;
};

TML_PART int32_t tml_saturate_16(int32_t value)
{
    return tml_clamp(value, INT16_MIN, INT16_MAX);
}

/* Q3.12 to Q0.15. A step of the table is 512 thirds of the argument's. */
TML_PART int32_t tml_sigmoid_16(const uint16_t *table, int32_t value)
{
    int32_t thirds = 3 * value;
    uint32_t size = (uint32_t)(thirds < 0 ? -thirds : thirds);
    uint32_t at = size >> 9;
    uint32_t result = ((uint32_t)table[at] << 9) + (size & 511u) * (uint32_t)(table[at + 1] - table[at]);
    result = thirds >= 0 ? result + (1u << 9) : (1u << 25) - result + (1u << 9) - 1u;
    return (int32_t)(result >> 10);
}

/* value * multiplier / 2^shift in thirds of Q3.12, to Q0.15: twice the sigmoid of the double, less one. */
TML_PART int32_t tml_tanh_16(const uint16_t *table, int32_t value, int32_t multiplier, int32_t shift)
{
    int32_t thirds = (value * multiplier + (shift > 0 ? 1 << (shift - 1) : 0)) >> shift;
    uint32_t size = (uint32_t)(thirds < 0 ? -thirds : thirds);
    uint32_t at = size >> 8;
    int32_t result = 0xFFFF << 8;
    if (at < 255) {
        result = (int32_t)(((uint32_t)table[at] << 8) + (size & 255u) * (uint32_t)(table[at + 1] - table[at]));
    }
    result = thirds >= 0 ? result - (1 << 23) + (1 << 7) : (1 << 23) - result + (1 << 7) - 1;
    return result >> 8;
}

/* `count` (4 or 2) units of a gate before its activation, in Q3.12. */
TML_PART void tml_lstm_gate(const struct tml_lstm_layer *layer, const struct tml_lstm_gate *gate, const int8_t *input,
                            const int8_t *hidden, int32_t unit, int32_t count, int32_t *values)
{
    int32_t of_input[4], of_hidden[4];
    const int8_t *input_weights = gate->input_weights + unit * ((layer->depth + 3) / 4 * 4);
    const int8_t *hidden_weights = gate->hidden_weights + unit * ((layer->units + 3) / 4 * 4);
    if (count == 4) {
        tml_dot_bytes_4(input_weights, input, layer->depth, gate->input_bias + unit, of_input);
        tml_dot_bytes_4(hidden_weights, hidden, layer->units, gate->hidden_bias + unit, of_hidden);
    } else {
        tml_dot_bytes_2(input_weights, input, layer->depth, gate->input_bias + unit, of_input);
        tml_dot_bytes_2(hidden_weights, hidden, layer->units, gate->hidden_bias + unit, of_hidden);
    }
    for (int32_t index = 0; index < count; index++) {
        int32_t one = tml_rescale(of_input[index], gate->input_multiplier, gate->input_shift);
        int32_t other = tml_rescale(of_hidden[index], gate->hidden_multiplier, gate->hidden_shift);
        values[index] = tml_saturate_16(tml_saturate_16(one) + tml_saturate_16(other));
    }
}

/* One step of `count` units: their cells, and their new hidden state in `output`. */
TML_PART void tml_lstm_units(const struct tml_lstm_layer *layer, const int8_t *input, const int8_t *hidden,
                             int32_t unit, int32_t count, int16_t *cells, int8_t *output)
{
    int32_t in[4], forget[4], candidate[4], out[4];
    tml_lstm_gate(layer, &layer->forget_gate, input, hidden, unit, count, forget);
    tml_lstm_gate(layer, &layer->input_gate, input, hidden, unit, count, in);
    tml_lstm_gate(layer, &layer->cell_gate, input, hidden, unit, count, candidate);
    tml_lstm_gate(layer, &layer->output_gate, input, hidden, unit, count, out);
    for (int32_t index = 0; index < count && unit + index < layer->units; index++) {
        int32_t kept = tml_sigmoid_16(layer->sigmoid, forget[index]) * cells[unit + index];
        int32_t added = tml_sigmoid_16(layer->sigmoid, in[index]) * tml_tanh_16(layer->sigmoid, candidate[index], 3, 0);
        int32_t cell = tml_saturate_16(tml_rescale(kept, layer->forget_multiplier, layer->forget_shift)) +
                       tml_saturate_16(tml_rescale(added, layer->cell_multiplier, layer->cell_shift));
        cell = tml_clamp(tml_saturate_16(cell), -layer->cell_clip, layer->cell_clip);
        cells[unit + index] = (int16_t)cell;
        int32_t value = tml_sigmoid_16(layer->sigmoid, out[index]) *
                        tml_tanh_16(layer->sigmoid, cell, layer->tanh_multiplier, layer->tanh_shift);
        value = tml_rescale(value, layer->hidden_multiplier, layer->hidden_shift) + layer->hidden_zero;
        output[unit + index] = (int8_t)tml_clamp(value, INT8_MIN, INT8_MAX);
    }
}

/* A step reads the hidden state where the step before wrote it: in the output, and for the first step in `hidden`. */
TML_KERNEL void tml_lstm(const struct tml_lstm_layer *layer, const int8_t *input, int8_t *output, int8_t *hidden,
                         int16_t *cells)
{
    for (int32_t batch = 0; batch < layer->batches; batch++, hidden += layer->units, cells += layer->units) {
        const int8_t *before = hidden;
        for (int32_t step = 0; step < layer->steps; step++) {
            int32_t row = batch * layer->batch_stride + step * layer->step_stride;
            const int8_t *from = input + row * layer->depth;
            int8_t *to = output + row * layer->units;
            int32_t unit = 0;
            for (; unit + 4 <= layer->units; unit += 4) {
                tml_lstm_units(layer, from, before, unit, 4, cells, to);
            }
            for (; unit < layer->units; unit += 2) {
                tml_lstm_units(layer, from, before, unit, 2, cells, to);
            }
            before = to;
        }
        __builtin_memcpy(hidden, before, (uint32_t)layer->units);
    }
}

#endif
