/* Sums run over the features in their order, so that a reference can repeat them bit by bit. */
#include "training/head.h"

#include "training/real.h"

void head_parameters(const struct model_head *head, float *parameters)
{
    const int8_t *weight = head->weights;
    for (uint32_t output = 0; output < head->outputs; output++) {
        for (uint32_t feature = 0; feature < head->feature_count; feature++) {
            parameters[feature * head->outputs + output] = (float)*weight++ * head->scales[output];
        }
        parameters[head->feature_count * head->outputs + output] =
            (float)head->bias[output] * (head->feature_scale * head->scales[output]);
    }
}

float head_feature(const struct model_head *head, int8_t feature)
{
    return (float)(feature - head->feature_zero_point) * head->feature_scale;
}

void head_logits(const struct model_head *head, const float *parameters, const int8_t *features, float *logits)
{
    const float *bias = parameters + head->feature_count * head->outputs;
    for (uint32_t output = 0; output < head->outputs; output++) {
        logits[output] = bias[output];
    }
    for (uint32_t feature = 0; feature < head->feature_count; feature++) {
        float value = head_feature(head, features[feature]);
        for (uint32_t output = 0; output < head->outputs; output++) {
            logits[output] += value * *parameters++;
        }
    }
}

void head_own_logits(const struct model_head *head, const int8_t *features, float *logits)
{
    const int8_t *weight = head->weights;
    for (uint32_t output = 0; output < head->outputs; output++) {
        int32_t sum = head->bias[output];
        for (uint32_t feature = 0; feature < head->feature_count; feature++) {
            sum += (features[feature] - head->feature_zero_point) * *weight++;
        }
        logits[output] = (float)sum * (head->feature_scale * head->scales[output]);
    }
}

float head_softmax(float *logits, uint32_t count)
{
    float largest = logits[head_class(logits, count)], sum = 0;
    for (uint32_t index = 0; index < count; index++) {
        logits[index] = real_exp(logits[index] - largest);
        sum += logits[index];
    }
    for (uint32_t index = 0; index < count; index++) {
        logits[index] /= sum;
    }
    return largest + real_log(sum);
}

void head_output(const struct model_head *head, float *logits, uint8_t *output)
{
    if (head->softmax) {
        (void)head_softmax(logits, head->outputs);
    }
    for (uint32_t index = 0; index < head->outputs; index++) {
        float scaled = logits[index] / head->output_scale;
        int32_t limit = 1 << 20; /* far outside of int8, and well inside of what a float becomes an integer by */
        int32_t rounded = scaled >= (float)limit   ? limit
                          : scaled > (float)-limit ? (int32_t)(scaled < 0 ? scaled - 0.5f : scaled + 0.5f)
                                                   : -limit; /* also what is not a number */
        int32_t value = rounded + head->output_zero_point;
        output[index] = (uint8_t)(int8_t)(value > INT8_MAX ? INT8_MAX : value < INT8_MIN ? INT8_MIN : value);
    }
}

uint32_t head_class(const float *logits, uint32_t count)
{
    uint32_t best = 0;
    for (uint32_t index = 1; index < count; index++) {
        if (logits[index] > logits[best]) {
            best = index;
        }
    }
    return best;
}
