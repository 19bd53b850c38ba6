/* What the device says about itself, read live. */
#ifndef CORE_DEVICE_H
#define CORE_DEVICE_H

#include <stdint.h>

struct device_info {
    const char *board; /* the name of the build target */
    const char *firmware_version;
    const char *model_sha256; /* hex; of the model that runs */
    const char *model_version;
    const char *abi;          /* hex */
    const char *model_source; /* "built-in", "a" or "b" */
    const char *reset_reason;
    uint32_t arena_bytes;
    uint32_t instructions;      /* of the slowest inference; 0 when the clock does not tell */
    uint32_t longest_gap_ticks; /* from the end of one inference to the start of the next */
    uint32_t inference_ticks;   /* of the slowest inference */
    uint32_t free_stack;        /* bytes never used */
    uint32_t uptime_s;
    uint32_t inferences;
};

const struct device_info *device_info(void);

#endif
