/* A copy is a header of one granule (magic, sequence number, length, CRC-32) and the content. */
#include "core/record.h"

#include <stddef.h>

#include "core/bytes.h"
#include "core/crc32.h"
#include "core/flash.h"

#define MAGIC 0x524C4D54u /* "TMLR" */
#define COPIES 2u
#define ERASED 0xFFu

struct header {
    uint32_t magic, sequence, length, crc; /* the CRC is that of sequence, length and content, by `checksum` */
};

static uint32_t checksum(const struct header *header, const void *content)
{
    uint32_t parts[3] = {header->sequence, header->length, crc32(content, header->length)};
    return crc32(parts, sizeof parts);
}

static bool read_header(uint32_t offset, uint32_t copy_bytes, struct header *header)
{
    bytes_copy(header, flash_at(offset), sizeof *header);
    return header->magic == MAGIC && header->length <= copy_bytes - sizeof *header &&
           header->crc == checksum(header, flash_at(offset + sizeof *header));
}

/* The index of the newest valid copy, or COPIES. */
static uint32_t newest(uint32_t offset, uint32_t copy_bytes, struct header *found)
{
    uint32_t best = COPIES;
    for (uint32_t copy = 0; copy < COPIES; copy++) {
        struct header header;
        if (read_header(offset + copy * copy_bytes, copy_bytes, &header) &&
            (best == COPIES || (int32_t)(header.sequence - found->sequence) > 0)) {
            *found = header;
            best = copy;
        }
    }
    return best;
}

bool record_is_new(uint32_t offset)
{
    return bytes_are(flash_at(offset), ERASED, RECORD_HEADER_BYTES) ||
           bytes_are(flash_at(offset + FLASH_SECTOR), ERASED, RECORD_HEADER_BYTES);
}

const uint8_t *record_find_large(uint32_t offset, uint32_t copy_bytes, uint32_t *length)
{
    struct header header;
    uint32_t copy = newest(offset, copy_bytes, &header);
    if (copy == COPIES) {
        return NULL;
    }
    *length = header.length;
    return flash_at(offset + copy * copy_bytes + sizeof header);
}

const uint8_t *record_find(uint32_t offset, uint32_t *length)
{
    return record_find_large(offset, FLASH_SECTOR, length);
}

enum os_status record_load(uint32_t offset, void *content, uint32_t length)
{
    uint32_t stored;
    const uint8_t *found = record_find(offset, &stored);
    if (found == NULL || stored != length) {
        return OS_NOT_FOUND;
    }
    bytes_copy(content, found, length);
    return OS_OK;
}

enum os_status record_begin(struct record_writer *writer, uint32_t offset, uint32_t copy_bytes, uint32_t length)
{
    if (length > copy_bytes - RECORD_HEADER_BYTES) {
        return OS_TOO_LARGE;
    }
    struct header header = {.sequence = 0};
    uint32_t current = newest(offset, copy_bytes, &header);
    *writer = (struct record_writer){
        .target = offset + (current == 0 ? copy_bytes : 0), .length = length, .sequence = header.sequence + 1};
    return flash_erase(writer->target);
}

enum os_status record_append(struct record_writer *writer, const void *data, uint32_t length)
{
    if (length > writer->length - writer->written || writer->written % FLASH_GRANULE != 0) {
        return OS_ARGUMENT;
    }
    enum os_status status = OS_OK;
    for (uint32_t done = 0; status == OS_OK && done < length; done += FLASH_GRANULE) {
        uint8_t granule[FLASH_GRANULE];
        uint32_t part = length - done < FLASH_GRANULE ? length - done : FLASH_GRANULE;
        uint32_t at = writer->target + RECORD_HEADER_BYTES + writer->written;
        bytes_fill(granule, ERASED, sizeof granule);
        bytes_copy(granule, (const uint8_t *)data + done, part);
        status = at % FLASH_SECTOR == 0 ? flash_erase(at) : OS_OK;
        if (status == OS_OK) {
            status = flash_program(at, granule, sizeof granule);
        }
        writer->written += part;
    }
    return status;
}

enum os_status record_commit(const struct record_writer *writer)
{
    if (writer->written != writer->length) {
        return OS_STATE;
    }
    struct header header = {.magic = MAGIC, .sequence = writer->sequence, .length = writer->length};
    header.crc = checksum(&header, flash_at(writer->target + sizeof header)); /* each granule was read back */
    /* The header comes last: before it, the copy is invalid. */
    return flash_program(writer->target, &header, sizeof header);
}

enum os_status record_store(uint32_t offset, const void *content, uint32_t length)
{
    struct record_writer writer;
    enum os_status status = record_begin(&writer, offset, FLASH_SECTOR, length);
    if (status == OS_OK) {
        status = record_append(&writer, content, length);
    }
    return status == OS_OK ? record_commit(&writer) : status;
}
