/* Result numbers of Object 5 and Object 9, by what happened. */
#ifndef CORE_UPDATE_RESULT_H
#define CORE_UPDATE_RESULT_H

#include "core/image.h"
#include "core/update.h"

enum firmware_result {
    FIRMWARE_INITIAL = 0,
    FIRMWARE_SUCCESS = 1,
    FIRMWARE_NO_FLASH = 2,
    FIRMWARE_INTEGRITY = 5,
    FIRMWARE_UNSUPPORTED = 6,
    FIRMWARE_FAILED = 8,
};

enum software_result {
    SOFTWARE_INITIAL = 0,
    SOFTWARE_DOWNLOADING = 1,
    SOFTWARE_INSTALLED = 2,
    SOFTWARE_VERIFIED = 3,
    SOFTWARE_NO_STORAGE = 50,
    SOFTWARE_INTEGRITY = 53,
    SOFTWARE_UNSUPPORTED = 54,
    SOFTWARE_DEVICE_ERROR = 57,
    SOFTWARE_FAILED = 58,
};

/* For a package that was refused. */
int update_result_for(enum update_target target, enum image_refusal refusal);

#endif
