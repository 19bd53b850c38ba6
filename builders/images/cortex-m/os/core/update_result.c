/* The same numbers as edge/mcuboot.py gives. */
#include "core/update_result.h"

int update_result_for(enum update_target target, enum image_refusal refusal)
{
    bool firmware = target == UPDATE_FIRMWARE;
    switch (refusal) {
    case IMAGE_ACCEPTED:
        return firmware ? FIRMWARE_INITIAL : SOFTWARE_VERIFIED;
    case IMAGE_TOO_LARGE:
        return firmware ? FIRMWARE_NO_FLASH : SOFTWARE_NO_STORAGE;
    case IMAGE_TRUNCATED:
    case IMAGE_MALFORMED:
    case IMAGE_UNSIGNED:
    case IMAGE_WRONG_HASH:
    case IMAGE_WRONG_KEY:
    case IMAGE_WRONG_SIGNATURE:
        return firmware ? FIRMWARE_INTEGRITY : SOFTWARE_INTEGRITY;
    case IMAGE_OLDER_COUNTER:
        return firmware ? FIRMWARE_FAILED : SOFTWARE_FAILED;
    default:
        return firmware ? FIRMWARE_UNSUPPORTED : SOFTWARE_UNSUPPORTED;
    }
}
