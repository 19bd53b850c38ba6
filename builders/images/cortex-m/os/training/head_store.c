/* A record of several sectors (core/record.h), a sector in each slice. */
#include "training/head_store.h"

#include <stddef.h>

#include "core/bytes.h"
#include "core/flash.h"
#include "core/record.h"

#define SLICE_BYTES FLASH_SECTOR

_Static_assert(sizeof(struct head_record) % FLASH_GRANULE == 0, "the parameters begin with a granule");
_Static_assert(RECORD_HEADER_BYTES + sizeof(struct head_record) + MODEL_HEAD_PARAMETERS * sizeof(float) <=
                   FLASH_HEAD_COPY_BYTES,
               "a copy holds the largest head");

static struct record_writer writer;
static const uint8_t *source;
static uint32_t left;

static const struct head_record *newest(uint32_t *length)
{
    return (const void *)record_find_large(FLASH_HEAD, FLASH_HEAD_COPY_BYTES, length);
}

const struct head_record *head_store_find(const struct model *model, const float **parameters)
{
    uint32_t length;
    const struct head_record *record = newest(&length);
    uint32_t expected = sizeof *record + model->head.parameters * (uint32_t)sizeof(float);
    if (record == NULL || length != expected || record->parameters != model->head.parameters ||
        !bytes_equal(record->model, model->sha256, sizeof record->model)) {
        return NULL;
    }
    *parameters = (const void *)(record + 1);
    return record;
}

uint32_t head_store_persists(void)
{
    uint32_t length;
    const struct head_record *record = newest(&length);
    return record == NULL || length < sizeof *record ? 0 : record->persists;
}

enum os_status head_store_begin(struct head_record *record, const float *parameters)
{
    record->persists = head_store_persists() + 1;
    source = (const void *)parameters;
    left = record->parameters * (uint32_t)sizeof(float);
    enum os_status status = record_begin(&writer, FLASH_HEAD, FLASH_HEAD_COPY_BYTES, sizeof *record + left);
    return status == OS_OK ? record_append(&writer, record, sizeof *record) : status;
}

enum os_status head_store_some(void)
{
    if (left == 0) {
        return record_commit(&writer);
    }
    uint32_t part = left < SLICE_BYTES ? left : SLICE_BYTES;
    enum os_status status = record_append(&writer, source, part);
    source += part;
    left -= part;
    return status == OS_OK ? OS_AGAIN : status;
}
