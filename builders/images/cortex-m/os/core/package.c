/* Sectors are erased when the first byte for them arrives. A mark follows its sector, so that it is never early. */
#include "core/package.h"

#include <stdbool.h>

#include "core/bytes.h"
#include "core/flash.h"

#define MARK 0x4B52414Du /* "MARK", four times */

static bool marked(uint32_t at)
{
    const uint8_t *mark = flash_at(at);
    for (uint32_t part = 0; part < FLASH_GRANULE; part += (uint32_t)sizeof(uint32_t)) {
        if (bytes_u32(mark + part) != MARK) {
            return false;
        }
    }
    return true;
}

static uint32_t marks_bytes(const struct package *package)
{
    uint32_t bytes = package->limit / FLASH_SECTOR * FLASH_GRANULE;
    return (bytes + FLASH_SECTOR - 1) / FLASH_SECTOR * FLASH_SECTOR;
}

enum os_status package_clear(struct package *package)
{
    package->received = 0;
    package->filled = 0;
    for (uint32_t at = 0; at < marks_bytes(package); at += FLASH_SECTOR) {
        enum os_status status =
            bytes_are(flash_at(package->marks + at), 0xFF, FLASH_SECTOR) ? OS_OK : flash_erase(package->marks + at);
        if (status != OS_OK) {
            return status;
        }
    }
    return OS_OK;
}

void package_recover(struct package *package)
{
    uint32_t sectors = 0;
    while (sectors < package->limit / FLASH_SECTOR && marked(package->marks + sectors * FLASH_GRANULE)) {
        sectors++;
    }
    package->received = sectors * FLASH_SECTOR;
    package->filled = 0;
}

static enum os_status mark(const struct package *package, uint32_t sector)
{
    uint32_t at = package->marks + sector * FLASH_GRANULE;
    if (!bytes_are(flash_at(at), 0xFF, FLASH_GRANULE)) {
        /* Power was lost while this mark was written. A later reset starts from this sector, or an earlier one. */
        return OS_OK;
    }
    const uint32_t words[FLASH_GRANULE / sizeof(uint32_t)] = {MARK, MARK, MARK, MARK};
    return flash_program(at, words, sizeof words);
}

/* Whole granules, within one sector. */
static enum os_status write_part(const struct package *package, uint32_t at, const uint8_t *data, uint32_t length)
{
    enum os_status status = at % FLASH_SECTOR == 0 ? flash_erase(package->slot + at) : OS_OK;
    if (status == OS_OK) {
        status = flash_program(package->slot + at, data, length);
    }
    if (status == OS_OK && (at + length) % FLASH_SECTOR == 0) {
        status = mark(package, at / FLASH_SECTOR);
    }
    return status;
}

enum os_status package_write(struct package *package, const uint8_t *data, uint32_t length)
{
    if (length > package->limit - package->received) {
        return OS_TOO_LARGE;
    }
    enum os_status status = OS_OK;
    while (status == OS_OK && length != 0) {
        uint32_t at = package->received - package->filled; /* of the next granule */
        uint32_t part;
        if (package->filled == 0 && length >= FLASH_GRANULE) {
            uint32_t room = FLASH_SECTOR - at % FLASH_SECTOR;
            part = length < room ? length - length % FLASH_GRANULE : room;
            status = write_part(package, at, data, part);
        } else {
            part = FLASH_GRANULE - package->filled;
            part = length < part ? length : part;
            bytes_copy(package->granule + package->filled, data, part);
            package->filled += part;
            if (package->filled == FLASH_GRANULE) {
                package->filled = 0;
                status = write_part(package, at, package->granule, FLASH_GRANULE);
            }
        }
        package->received += part;
        data += part;
        length -= part;
    }
    return status;
}

enum os_status package_end(struct package *package)
{
    if (package->filled == 0) {
        return OS_OK;
    }
    uint32_t at = package->received - package->filled;
    bytes_fill(package->granule + package->filled, 0xFF, FLASH_GRANULE - package->filled);
    package->filled = 0;
    return write_part(package, at, package->granule, FLASH_GRANULE);
}
