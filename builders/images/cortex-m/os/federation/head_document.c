/* Typed arrays are those of RFC 8746: tag 85, float32 little-endian, the only form that a board takes and gives. */
#include "federation/head_document.h"

#include <stdbool.h>
#include <string.h>

#include "federation/training_refusal.h"
#include "lwm2m/cbor.h"
#include "lwm2m/refusal.h"
#include "training/training.h"

#define FLOAT32_LITTLE_ENDIAN 85u
#define KERNEL_AND_BIAS 2u
#define HAS_FEDERATION 1u
#define HAS_ROUND 2u
#define HAS_WEIGHTS 4u
#define HAS_ALL 7u

struct global_model {
    uint32_t seen;
    uint32_t round;
    struct coap_text array[KERNEL_AND_BIAS];
};

static bool is(const struct coap_text *text, const char *name)
{
    return text->length == strlen(name) && memcmp(text->data, name, text->length) == 0;
}

/* An array's or a map's next member, or its end. */
static bool goes_on(struct cbor_reader *reader, const struct cbor_item *of, uint64_t *taken)
{
    return of->indefinite ? !cbor_take_break(reader) : (*taken)++ < of->argument;
}

static bool take_array(struct cbor_reader *reader, struct coap_text *array)
{
    struct cbor_item tag, bytes;
    if (!cbor_take(reader, &tag) || tag.major != CBOR_TAG || tag.argument != FLOAT32_LITTLE_ENDIAN ||
        !cbor_take(reader, &bytes) || bytes.major != CBOR_BYTES) {
        return false;
    }
    *array = bytes.bytes;
    return true;
}

static bool take_weights(struct cbor_reader *reader, struct global_model *model)
{
    struct cbor_item list;
    uint64_t taken = 0;
    uint32_t count = 0;
    if (!cbor_take(reader, &list) || list.major != CBOR_ARRAY) {
        return false;
    }
    while (goes_on(reader, &list, &taken)) {
        if (count == KERNEL_AND_BIAS || !take_array(reader, &model->array[count++])) {
            return false;
        }
    }
    return count == KERNEL_AND_BIAS;
}

static bool take_pair(struct cbor_reader *reader, struct global_model *model)
{
    struct cbor_item key, item;
    uint32_t which;
    if (!cbor_take(reader, &key) || key.major != CBOR_TEXT) {
        return false;
    }
    if (is(&key.bytes, "weights")) {
        which = HAS_WEIGHTS;
        if (!take_weights(reader, model)) {
            return false;
        }
    } else if (is(&key.bytes, "round")) {
        which = HAS_ROUND;
        if (!cbor_take(reader, &item) || item.major != CBOR_UNSIGNED || item.argument > UINT32_MAX) {
            return false;
        }
        model->round = (uint32_t)item.argument;
    } else if (is(&key.bytes, "federation")) {
        which = HAS_FEDERATION;
        if (!cbor_take(reader, &item) || item.major != CBOR_TEXT) {
            return false;
        }
    } else {
        return false;
    }
    bool twice = (model->seen & which) != 0;
    model->seen |= which;
    return !twice;
}

static bool take(const uint8_t *data, uint32_t length, struct global_model *model)
{
    struct cbor_reader reader = {data, length, 0};
    struct cbor_item map;
    uint64_t taken = 0;
    if (!cbor_take(&reader, &map) || map.major != CBOR_MAP) {
        return false;
    }
    while (goes_on(&reader, &map, &taken)) {
        if (!take_pair(&reader, model)) {
            return false;
        }
    }
    return reader.at == reader.length && model->seen == HAS_ALL;
}

enum coap_code head_document_take(const uint8_t *data, uint32_t length)
{
    struct global_model model = {.seen = 0};
    const char *why = 0;
    if (!take(data, length, &model)) {
        return refuse(COAP_BAD_REQUEST, "no global model: a map of federation, round, and two float32 arrays (tag 85)");
    }
    int status = training_take_head(model.round, model.array[0].data, model.array[0].length, model.array[1].data,
                                    model.array[1].length, &why);
    return training_answer(status, why);
}

static void put_key(struct window *window, const char *name)
{
    cbor_put_head(window, CBOR_TEXT, strlen(name));
    window_put_string(window, name);
}

static void put_array(struct window *window, const uint8_t *bytes, uint32_t length)
{
    cbor_put_head(window, CBOR_TAG, FLOAT32_LITTLE_ENDIAN);
    cbor_put_head(window, CBOR_BYTES, length);
    window_put(window, bytes, length);
}

void head_document_put_update(struct window *window)
{
    struct training_update update;
    if (!training_update(&update)) {
        return;
    }
    cbor_put_head(window, CBOR_MAP, 5);
    put_key(window, "round");
    cbor_put_head(window, CBOR_UNSIGNED, update.round);
    put_key(window, "base");
    cbor_put_head(window, CBOR_BYTES, MODEL_IMAGE_SHA256_BYTES);
    window_put(window, update.base, MODEL_IMAGE_SHA256_BYTES);
    put_key(window, "samples");
    cbor_put_head(window, CBOR_UNSIGNED, update.samples);
    put_key(window, "loss");
    cbor_put_float(window, update.loss);
    put_key(window, "weights");
    cbor_put_head(window, CBOR_ARRAY, KERNEL_AND_BIAS);
    put_array(window, update.kernel, update.kernel_bytes);
    put_array(window, update.bias, update.bias_bytes);
}
