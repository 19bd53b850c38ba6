/* The last update's report: JSON with the keys of edge/update_report.py, kept over resets. */
#ifndef CORE_UPDATE_REPORT_H
#define CORE_UPDATE_REPORT_H

#include <stdint.h>

#include "core/image.h"
#include "core/proof.h"

struct update_outcome {
    const char *verdict; /* "passed", "refused", "wrong-output", "no-report", "not-confirmed", "interrupted" */
    const char *reason;  /* a sentence, without quotes or backslashes */
    int result;
    const struct image *image; /* NULL when it cannot be read */
    const struct proof *proof; /* NULL when nothing was computed */
    uint32_t instructions;     /* 0: not known */
};

void update_report_store(const struct update_outcome *outcome);

#endif
