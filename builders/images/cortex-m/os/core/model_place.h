/* Where the models of the slots, and the firmware's own, may have their parts (docs/reference/device-os.md). */
#ifndef CORE_MODEL_PLACE_H
#define CORE_MODEL_PLACE_H

#include "board.h"
#include "core/flash_map.h"
#include "core/image.h"
#include "core/model.h"
#include "core/update.h"

static inline struct model_place model_place_of(enum update_target which, uint32_t payload_bytes)
{
    uint32_t slot = BOARD_FLASH + (which == UPDATE_MODEL_A ? FLASH_MODEL_A : FLASH_MODEL_B) + IMAGE_HEADER_BYTES;
    uint32_t window = which == UPDATE_MODEL_A ? BOARD_WINDOW_A : BOARD_WINDOW_B;
    return (struct model_place){slot, slot, slot + payload_bytes, window, window + BOARD_WINDOW_BYTES};
}

#endif
