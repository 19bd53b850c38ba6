/* What lies where in the flash; offsets from its beginning, in bytes (docs/reference/device-os.md). */
#ifndef CORE_FLASH_MAP_H
#define CORE_FLASH_MAP_H

#define FLASH_BYTES 0x1000000u
#define FLASH_SECTOR 4096u /* what is erased at once, to 0xFF */
#define FLASH_GRANULE 16u  /* what is programmed at once, and only once between two erasures */

#define FLASH_FIRMWARE_A 0x000000u
#define FLASH_FIRMWARE_B 0x400000u
#define FLASH_FIRMWARE_BYTES 0x3E0000u /* of a slot: as much as the memory that it is copied to */
#define FLASH_MODEL_A 0x800000u
#define FLASH_MODEL_B 0x900000u
#define FLASH_MODEL_BYTES 0x100000u

#define FLASH_BOOT_RECORD 0xA00000u /* two copies, a sector each, as all records */
#define FLASH_STARTS 0xA0C000u      /* how often the network was started: a record */
#define FLASH_PROVISIONING 0xA10000u
#define FLASH_UPDATE_RECORDS 0xA20000u /* firmware, model A, model B: two sectors each */
#define FLASH_REPORT 0xA26000u         /* of the last update: two sectors */
#define FLASH_MARKS_FIRMWARE 0xA28000u /* a granule for each sector of the slot that is written */
#define FLASH_MARKS_MODEL_A 0xA2C000u
#define FLASH_MARKS_MODEL_B 0xA2D000u
#define FLASH_HEAD_USE 0xA30000u /* whether the trained head answers: a record */
#define FLASH_HEAD 0xA40000u     /* the trained head, two copies of several sectors */
#define FLASH_HEAD_COPY_BYTES (8u * FLASH_SECTOR)

#endif
