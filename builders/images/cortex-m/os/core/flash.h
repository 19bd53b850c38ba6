/* The flash: read as memory, erased by sectors, programmed by granules, each once between two erasures. The
 * provisioning page is neither erased nor programmed: it was written at manufacture. */
#ifndef CORE_FLASH_H
#define CORE_FLASH_H

#include <stdint.h>

#include "core/flash_map.h"
#include "core/status.h"

/* Where the byte at `offset` can be read. */
const uint8_t *flash_at(uint32_t offset);

/* Erases the sector that begins at `offset`. */
enum os_status flash_erase(uint32_t offset);

/* Programs whole granules; OS_IO, and nothing written, when one of them is not erased. */
enum os_status flash_program(uint32_t offset, const void *data, uint32_t length);

#endif
