/* Holds everybody to the rules of NOR flash, and reads back what was written. */
#include "core/flash.h"

#include "core/bytes.h"
#include "core/flash_port.h"

#define ERASED 0xFFu
#define SECTOR_OF(offset) ((offset) / FLASH_SECTOR * FLASH_SECTOR)

const uint8_t *flash_at(uint32_t offset)
{
    return flash_port_base() + offset;
}

enum os_status flash_erase(uint32_t offset)
{
    if (offset % FLASH_SECTOR != 0 || offset > FLASH_BYTES - FLASH_SECTOR || offset == FLASH_PROVISIONING) {
        return OS_ARGUMENT;
    }
    flash_port_erase(offset);
    return bytes_are(flash_at(offset), ERASED, FLASH_SECTOR) ? OS_OK : OS_IO;
}

enum os_status flash_program(uint32_t offset, const void *data, uint32_t length)
{
    if (offset % FLASH_GRANULE != 0 || length % FLASH_GRANULE != 0 || offset > FLASH_BYTES ||
        length > FLASH_BYTES - offset || SECTOR_OF(offset) == FLASH_PROVISIONING) {
        return OS_ARGUMENT;
    }
    if (!bytes_are(flash_at(offset), ERASED, length)) {
        return OS_IO;
    }
    for (uint32_t done = 0; done < length; done += FLASH_GRANULE) {
        flash_port_program(offset + done, (const uint8_t *)data + done);
    }
    return bytes_equal(flash_at(offset), data, length) ? OS_OK : OS_IO;
}
