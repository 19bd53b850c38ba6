/* Signed images in MCUboot format (docs/reference/image-format.md): taken apart with bounds, hashed, authenticated. */
#ifndef CORE_IMAGE_H
#define CORE_IMAGE_H

#include <bearssl_hash.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/provisioning.h"

#define IMAGE_HEADER_BYTES 0x200u
#define IMAGE_HASH_BYTES 32u
#define IMAGE_START_BYTES 32u /* of the header: what image_check_start needs */

enum image_kind { IMAGE_FIRMWARE = 0, IMAGE_MODEL = 1 };

/* Why an image is refused; the words are those of edge/mcuboot.py and image_refusal_word. */
enum image_refusal {
    IMAGE_ACCEPTED,
    IMAGE_TOO_LARGE,
    IMAGE_WRONG_MAGIC,
    IMAGE_UNSUPPORTED_HEADER,
    IMAGE_TRUNCATED,
    IMAGE_MALFORMED,
    IMAGE_UNSIGNED,
    IMAGE_WRONG_HASH,
    IMAGE_WRONG_KEY,
    IMAGE_WRONG_SIGNATURE,
    IMAGE_MISSING_FIELD,
    IMAGE_WRONG_BOARD,
    IMAGE_WRONG_KIND,
    IMAGE_WRONG_SLOT,
    IMAGE_WRONG_ABI,
    IMAGE_OLDER_COUNTER,
};

struct image_version {
    uint8_t major, minor;
    uint16_t revision;
    uint32_t build;
};

/* An image that was taken apart. The pointers point into it. */
struct image {
    const uint8_t *start;
    uint32_t bytes;   /* of the whole image */
    uint32_t payload; /* bytes; it begins at IMAGE_HEADER_BYTES */
    uint32_t hashed;  /* bytes from the start that hash and signature cover */
    struct image_version version;
    uint32_t security_counter;
    const uint8_t *hash, *key_hash, *signature;
    uint32_t signature_bytes;
    const uint8_t *model_sha256; /* 32 bytes */
    const uint8_t *abi;          /* 32 bytes, or NULL */
    const uint8_t *golden;       /* the outputs of all vectors, or NULL */
    uint32_t golden_vectors, golden_bytes; /* bytes of one vector */
};

/* What an image must be to be taken. */
struct image_demand {
    enum image_kind kind;
    const char *board;
    const uint8_t *signing_key; /* PROVISIONING_POINT_BYTES */
    const uint8_t *abi;         /* 32 bytes; of models */
    uint8_t slot;               /* of models */
    uint32_t security_counter;  /* the lowest */
};

/* A verification in steps: image_open, image_hash_some until it is done, image_close. */
struct image_check {
    struct image image;
    const struct image_demand *demand;
    br_sha256_context hash;
    uint32_t hashed;
};

/* Refuses by the first IMAGE_START_BYTES what can be refused by them; `limit` is the slot's size. */
enum image_refusal image_check_start(const uint8_t *start, uint32_t limit);

/* Takes the image apart; `limit` bytes can be read. Nothing in it is believed yet. */
enum image_refusal image_open(struct image_check *check, const uint8_t *start, uint32_t limit,
                              const struct image_demand *demand);

/* Hashes at most `count` bytes more; true when all are hashed. */
bool image_hash_some(struct image_check *check, uint32_t count);

/* Hash, key, signature, and then what the image says of itself. The longest step: a signature is one piece. */
enum image_refusal image_close(struct image_check *check);

/* All of it at once. */
enum image_refusal image_verify(struct image *into, const uint8_t *start, uint32_t limit,
                                const struct image_demand *demand);

/* The same without hash and signature: for an image that whoever started it has verified. */
enum image_refusal image_read_verified(struct image *into, const uint8_t *start, uint32_t limit,
                                       const struct image_demand *demand);

/* "1.2.3+4" and its end; `text` has IMAGE_VERSION_BYTES. */
#define IMAGE_VERSION_BYTES 24u
void image_version_text(const struct image_version *version, char *text);

const char *image_refusal_word(enum image_refusal refusal);

#endif
