/* The emulated boards' flash: memory that QEMU keeps in a file. */
#include "board.h"
#include "core/flash_map.h"
#include "core/flash_port.h"

const uint8_t *flash_port_base(void)
{
    return (const uint8_t *)BOARD_FLASH;
}

void flash_port_erase(uint32_t offset)
{
    volatile uint32_t *word = (volatile uint32_t *)(BOARD_FLASH + offset);
    for (uint32_t index = 0; index < FLASH_SECTOR / sizeof *word; index++) {
        word[index] = UINT32_MAX;
    }
}

void flash_port_program(uint32_t offset, const uint8_t *data)
{
    volatile uint8_t *byte = (volatile uint8_t *)(BOARD_FLASH + offset);
    for (uint32_t index = 0; index < FLASH_GRANULE; index++) {
        byte[index] &= data[index]; /* programming only clears bits */
    }
}
