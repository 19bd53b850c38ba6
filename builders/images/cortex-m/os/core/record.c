/* A copy is a header of one granule (magic, sequence number, length, CRC-32) and the content. */
#include "core/record.h"

#include <stdbool.h>
#include <stddef.h>

#include "core/bytes.h"
#include "core/crc32.h"
#include "core/flash.h"

#define MAGIC 0x524C4D54u /* "TMLR" */
#define COPIES 2u

struct header {
    uint32_t magic, sequence, length, crc; /* the CRC is that of sequence, length and content, by `checksum` */
};

static uint32_t checksum(const struct header *header, const void *content)
{
    uint32_t parts[3] = {header->sequence, header->length, crc32(content, header->length)};
    return crc32(parts, sizeof parts);
}

static bool read_header(uint32_t offset, struct header *header)
{
    bytes_copy(header, flash_at(offset), sizeof *header);
    return header->magic == MAGIC && header->length <= RECORD_MAX_BYTES &&
           header->crc == checksum(header, flash_at(offset + sizeof *header));
}

/* The index of the newest valid copy, or COPIES. */
static uint32_t newest(uint32_t offset, struct header *found)
{
    uint32_t best = COPIES;
    for (uint32_t copy = 0; copy < COPIES; copy++) {
        struct header header;
        if (read_header(offset + copy * FLASH_SECTOR, &header) &&
            (best == COPIES || (int32_t)(header.sequence - found->sequence) > 0)) {
            *found = header;
            best = copy;
        }
    }
    return best;
}

const uint8_t *record_find(uint32_t offset, uint32_t *length)
{
    struct header header;
    uint32_t copy = newest(offset, &header);
    if (copy == COPIES) {
        return NULL;
    }
    *length = header.length;
    return flash_at(offset + copy * FLASH_SECTOR + sizeof header);
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

enum os_status record_store(uint32_t offset, const void *content, uint32_t length)
{
    if (length > RECORD_MAX_BYTES) {
        return OS_TOO_LARGE;
    }
    struct header header = {.sequence = 0};
    uint32_t current = newest(offset, &header);
    uint32_t target = offset + (current == 0 ? FLASH_SECTOR : 0);
    header.magic = MAGIC;
    header.sequence++;
    header.length = length;
    header.crc = checksum(&header, content);
    enum os_status status = flash_erase(target);
    uint32_t at = target + sizeof header;
    for (uint32_t done = 0; status == OS_OK && done < length; done += FLASH_GRANULE) {
        uint8_t granule[FLASH_GRANULE];
        uint32_t part = length - done < FLASH_GRANULE ? length - done : FLASH_GRANULE;
        bytes_fill(granule, 0xFF, sizeof granule);
        bytes_copy(granule, (const uint8_t *)content + done, part);
        status = flash_program(at + done, granule, sizeof granule);
    }
    /* The header comes last: before it, the copy is invalid. */
    return status == OS_OK ? flash_program(target, &header, sizeof header) : status;
}
