/* What a port brings for flash.c: the array itself. The rules are checked before these are called. */
#ifndef CORE_FLASH_PORT_H
#define CORE_FLASH_PORT_H

#include <stdint.h>

const uint8_t *flash_port_base(void);
void flash_port_erase(uint32_t offset);                       /* one sector */
void flash_port_program(uint32_t offset, const uint8_t *data); /* one granule */

#endif
