/* The boot record in its two copies. */
#include "core/boot_record.h"

#include "core/flash_map.h"
#include "core/record.h"

enum os_status boot_record_load(struct boot_record *record)
{
    if (record_load(FLASH_BOOT_RECORD, record, sizeof *record) == OS_OK) {
        return OS_OK;
    }
    *record = (struct boot_record){.active = 0, .pending = BOOT_NONE, .state = {BOOT_CONFIRMED, BOOT_EMPTY}};
    return record_is_new(FLASH_BOOT_RECORD) ? OS_NOT_FOUND : OS_DAMAGED;
}

enum os_status boot_record_store(const struct boot_record *record)
{
    return record_store(FLASH_BOOT_RECORD, record, sizeof *record);
}
