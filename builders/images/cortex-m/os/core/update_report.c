/* Writes the report into its record, and reads it back from there. */
#include "core/update_report.h"

#include <stddef.h>

#include "core/flash_map.h"
#include "core/record.h"
#include "core/text.h"
#include "core/update.h"

static char report[RECORD_MAX_BYTES];

static void add_string(struct text *text, const char *key, const char *value)
{
    text_add(text, ", \"");
    text_add(text, key);
    text_add(text, "\": \"");
    text_add(text, value);
    text_add(text, "\"");
}

static void add_number(struct text *text, const char *key, uint32_t value)
{
    text_add(text, ", \"");
    text_add(text, key);
    text_add(text, "\": ");
    text_number(text, value);
}

static void add_hash(struct text *text, const char *key, const br_sha256_context *context)
{
    uint8_t hash[IMAGE_HASH_BYTES];
    char hex[2 * IMAGE_HASH_BYTES + 1];
    br_sha256_out(context, hash);
    struct text digits = text_into(hex, sizeof hex);
    text_hex(&digits, hash, sizeof hash);
    add_string(text, key, hex);
}

static void add_outputs(struct text *text, const struct proof *proof, uint32_t bytes)
{
    text_add(text, ", \"outputs\": [");
    for (uint32_t vector = 0; vector < proof->next; vector++) {
        text_add(text, vector == 0 ? "\"" : ", \"");
        text_hex(text, proof->outputs + vector * bytes, bytes);
        text_add(text, "\"");
    }
    text_add(text, "]");
}

static void add_proof(struct text *text, const struct proof *proof, const struct image *image)
{
    br_sha256_context expected;
    br_sha256_init(&expected);
    br_sha256_update(&expected, image->golden, image->golden_vectors * image->golden_bytes);
    add_hash(text, "expected_sha256", &expected);
    add_hash(text, "received_sha256", &proof->received);
    if (proof->wrong) {
        add_number(text, "vector", proof->vector);
        add_number(text, "byte", proof->byte);
    }
    if (proof->kept == proof->next * image->golden_bytes) {
        add_outputs(text, proof, image->golden_bytes);
    }
}

void update_report_store(const struct update_outcome *outcome)
{
    struct text text = text_into(report, sizeof report);
    text_add(&text, "{\"verdict\": \"");
    text_add(&text, outcome->verdict);
    text_add(&text, "\"");
    add_string(&text, "reason", outcome->reason);
    add_number(&text, "result", (uint32_t)outcome->result);
    if (outcome->image != NULL) {
        char version[IMAGE_VERSION_BYTES];
        image_version_text(&outcome->image->version, version);
        add_string(&text, "version", version);
    }
    if (outcome->instructions != 0) {
        add_number(&text, "instructions", outcome->instructions);
    }
    if (outcome->proof != NULL && outcome->image != NULL) {
        add_proof(&text, outcome->proof, outcome->image);
    }
    text_add(&text, "}");
    record_store(FLASH_REPORT, report, text.length);
}

const char *update_report_json(void)
{
    uint32_t length;
    const uint8_t *stored = record_find(FLASH_REPORT, &length);
    return stored == NULL ? "" : (const char *)stored;
}

uint32_t update_report_length(void)
{
    uint32_t length = 0;
    record_find(FLASH_REPORT, &length);
    return length;
}
