/* Samples come over LwM2M and from sensors: this is what both bring. */
#include "federation/sample.h"

#include "core/bytes.h"
#include "federation/training_refusal.h"
#include "training/training.h"

#define LABEL_BYTES 2u

enum coap_code sample_take(const uint8_t *data, uint32_t length, bool check)
{
    const char *why = 0;
    if (length < LABEL_BYTES) {
        return refuse(COAP_BAD_REQUEST, "a sample begins with its label, two bytes");
    }
    int status = training_add_sample(bytes_u16(data), data + LABEL_BYTES, length - LABEL_BYTES, check, &why);
    return training_answer(status, why);
}
