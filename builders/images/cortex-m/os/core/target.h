/* One thing that can be updated: what is stored of it, its package, and what is known of the image in its slot. */
#ifndef CORE_TARGET_H
#define CORE_TARGET_H

#include <stdbool.h>
#include <stdint.h>

#include "core/boot_record.h"
#include "core/image.h"
#include "core/model.h"
#include "core/package.h"
#include "core/proof.h"
#include "core/update.h"

/* Stored in two copies at each change. */
struct target_record {
    uint8_t state;  /* enum update_state */
    uint8_t result; /* of Object 5 or 9 */
    uint8_t slot;   /* of a firmware: the one that its package is in */
    uint8_t etag_length;
    uint8_t etag[UPDATE_ETAG_BYTES];
    uint32_t announced; /* bytes; 0: not known */
    uint32_t stored;    /* bytes of a package that is complete */
    char uri[UPDATE_URI_BYTES + 1];
};

enum target_work { WORK_NONE, WORK_VERIFY, WORK_PROVE };

struct target {
    struct target_record record;
    struct package package;
    enum target_work work;
    struct image image; /* valid when `known` */
    bool known;         /* the image was verified since the start */
    bool loaded;        /* and `model` read from it, its golden vectors right */
    struct model model;
    char version[IMAGE_VERSION_BYTES];
    char name[2 * IMAGE_HASH_BYTES + 1]; /* sha256 of the model */
};

/* All of them share one verification and one proof: one target works at a time. */
struct bench {
    struct image_check check;
    struct proof proof;
    struct target *user; /* NULL: free */
};

#endif
