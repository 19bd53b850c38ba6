/* The generated model of the firmware. */
#include "core/built_in.h"

#include "board.h"

extern const struct model_image model_image; /* generated, image.c */

struct model_place built_in_place(void)
{
    uint32_t header = (uint32_t)(uintptr_t)&model_image;
    return (struct model_place){header, BOARD_EXEC, BOARD_EXEC_END, BOARD_RAM, BOARD_RAM_END};
}

const uint8_t *built_in_abi(void)
{
    return model_image.abi;
}
