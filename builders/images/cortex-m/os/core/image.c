/* The order is MCUboot's: bounds first, then hash and signature, and only then what the image says of itself. */
#include "core/image.h"

#include <bearssl_ec.h>
#include <stddef.h>

#include "core/bytes.h"
#include "core/text.h"

#define HEADER_MAGIC 0x96F3B83Du
#define PROTECTED_MAGIC 0x6908u
#define UNPROTECTED_MAGIC 0x6907u
#define INFO_BYTES 4u /* of an area's info and of a TLV's header */

#define TAG_KEY_HASH 0x01u
#define TAG_SHA256 0x10u
#define TAG_SIGNATURE 0x22u
#define TAG_COUNTER 0x50u
#define TAG_BOARD 0xA0u
#define TAG_MODEL 0xA1u
#define TAG_GOLDEN 0xA2u
#define TAG_ABI 0xA3u
#define TAG_KIND 0xA4u
#define TAG_SLOT 0xA5u

#define GOLDEN_HEADER_BYTES 6u /* u16 vectors, u32 bytes in each */
#define MAX_GOLDEN_VECTORS 16u

struct tlv {
    const uint8_t *value;
    uint32_t length;
};

static uint32_t unprotected_at(const uint8_t *start)
{
    return IMAGE_HEADER_BYTES + bytes_u32(start + 12) + bytes_u16(start + 10);
}

enum image_refusal image_check_start(const uint8_t *start, uint32_t limit)
{
    if (bytes_u32(start) != HEADER_MAGIC) {
        return IMAGE_WRONG_MAGIC;
    }
    if (bytes_u16(start + 8) != IMAGE_HEADER_BYTES || bytes_u32(start + 16) != 0) {
        return IMAGE_UNSUPPORTED_HEADER; /* another header's size, or flags: encrypted, compressed, loaded elsewhere */
    }
    uint32_t payload = bytes_u32(start + 12);
    uint32_t frame = IMAGE_HEADER_BYTES + bytes_u16(start + 10) + INFO_BYTES;
    return payload == 0 || payload > limit || frame > limit - payload ? IMAGE_TOO_LARGE : IMAGE_ACCEPTED;
}

/* The TLV with this tag in the area from `at` to `end` (after its info); false when the area is malformed. */
static bool find(const uint8_t *start, uint32_t at, uint32_t end, uint16_t tag, struct tlv *found)
{
    found->value = NULL;
    found->length = 0;
    while (at < end) {
        if (end - at < INFO_BYTES || bytes_u16(start + at + 2) > end - at - INFO_BYTES) {
            return false;
        }
        uint32_t length = bytes_u16(start + at + 2);
        at += INFO_BYTES;
        if (bytes_u16(start + at - INFO_BYTES) == tag) {
            if (found->value != NULL) {
                return false; /* twice: readers could disagree about which counts */
            }
            found->value = start + at;
            found->length = length;
        }
        at += length;
    }
    return true;
}

static bool find_exactly(const uint8_t *start, uint32_t at, uint32_t end, uint16_t tag, uint32_t length,
                         const uint8_t **value)
{
    struct tlv found;
    bool well_formed = find(start, at, end, tag, &found);
    *value = found.length == length ? found.value : NULL;
    return well_formed;
}

enum image_refusal image_open(struct image_check *check, const uint8_t *start, uint32_t limit,
                              const struct image_demand *demand)
{
    struct image *image = &check->image;
    bytes_fill(image, 0, sizeof *image);
    check->demand = demand;
    check->hashed = 0;
    br_sha256_init(&check->hash);
    if (limit < IMAGE_START_BYTES) {
        return IMAGE_TRUNCATED;
    }
    enum image_refusal refusal = image_check_start(start, limit);
    if (refusal != IMAGE_ACCEPTED) {
        return refusal == IMAGE_TOO_LARGE ? IMAGE_TRUNCATED : refusal; /* larger than what is there */
    }
    image->start = start;
    image->payload = bytes_u32(start + 12);
    uint32_t protected_bytes = bytes_u16(start + 10);
    uint32_t at = unprotected_at(start);
    if (protected_bytes < INFO_BYTES || bytes_u16(start + at - protected_bytes) != PROTECTED_MAGIC ||
        bytes_u16(start + at - protected_bytes + 2) != protected_bytes) {
        return IMAGE_MALFORMED;
    }
    if (bytes_u16(start + at) != UNPROTECTED_MAGIC) {
        return IMAGE_TRUNCATED;
    }
    uint32_t area = bytes_u16(start + at + 2);
    if (area < INFO_BYTES || area > limit - at) {
        return IMAGE_TRUNCATED;
    }
    image->hashed = at;
    image->bytes = at + area;
    struct tlv signature;
    if (!find_exactly(start, at + INFO_BYTES, image->bytes, TAG_SHA256, IMAGE_HASH_BYTES, &image->hash) ||
        !find_exactly(start, at + INFO_BYTES, image->bytes, TAG_KEY_HASH, IMAGE_HASH_BYTES, &image->key_hash) ||
        !find(start, at + INFO_BYTES, image->bytes, TAG_SIGNATURE, &signature)) {
        return IMAGE_MALFORMED;
    }
    image->signature = signature.value;
    image->signature_bytes = signature.length;
    return image->hash == NULL || image->key_hash == NULL || signature.length == 0 ? IMAGE_UNSIGNED : IMAGE_ACCEPTED;
}

bool image_hash_some(struct image_check *check, uint32_t count)
{
    uint32_t left = check->image.hashed - check->hashed;
    uint32_t part = count < left ? count : left;
    br_sha256_update(&check->hash, check->image.start + check->hashed, part);
    check->hashed += part;
    return part == left;
}

/* The hash of the key in DER, as imgtool writes it. */
static void hash_key(const uint8_t *point, uint8_t hash[IMAGE_HASH_BYTES])
{
    /* SubjectPublicKeyInfo (RFC 5480): id-ecPublicKey, prime256v1, then the point. */
    static const uint8_t prefix[] = {
        0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01, 0x06,
        0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
    };
    br_sha256_context context;
    br_sha256_init(&context);
    br_sha256_update(&context, prefix, sizeof prefix);
    br_sha256_update(&context, point, PROVISIONING_POINT_BYTES);
    br_sha256_out(&context, hash);
}

static enum image_refusal authenticate(struct image_check *check)
{
    const struct image *image = &check->image;
    uint8_t hash[IMAGE_HASH_BYTES];
    br_sha256_out(&check->hash, hash);
    if (!bytes_equal(hash, image->hash, sizeof hash)) {
        return IMAGE_WRONG_HASH;
    }
    uint8_t point[PROVISIONING_POINT_BYTES], key_hash[IMAGE_HASH_BYTES];
    bytes_copy(point, check->demand->signing_key, sizeof point);
    hash_key(point, key_hash);
    if (!bytes_equal(key_hash, image->key_hash, sizeof key_hash)) {
        return IMAGE_WRONG_KEY;
    }
    br_ec_public_key key = {.curve = BR_EC_secp256r1, .q = point, .qlen = sizeof point};
    return br_ecdsa_i31_vrfy_asn1(&br_ec_p256_m31, hash, sizeof hash, &key, image->signature, image->signature_bytes)
               ? IMAGE_ACCEPTED
               : IMAGE_WRONG_SIGNATURE;
}

static enum image_refusal read_golden(struct image *image, struct tlv golden)
{
    if (golden.value == NULL || golden.length < GOLDEN_HEADER_BYTES) {
        return IMAGE_MISSING_FIELD;
    }
    image->golden = golden.value + GOLDEN_HEADER_BYTES;
    image->golden_vectors = bytes_u16(golden.value);
    image->golden_bytes = bytes_u32(golden.value + 2);
    uint32_t outputs = golden.length - GOLDEN_HEADER_BYTES;
    if (image->golden_vectors > MAX_GOLDEN_VECTORS || image->golden_bytes > outputs ||
        image->golden_vectors * image->golden_bytes != outputs) {
        return IMAGE_MALFORMED;
    }
    return IMAGE_ACCEPTED;
}

/* What the image says of itself, all of it signed. */
static enum image_refusal describe(struct image *image, const struct image_demand *demand)
{
    const uint8_t *start = image->start;
    uint32_t end = image->hashed, at = end - bytes_u16(start + 10) + INFO_BYTES;
    const uint8_t *counter, *kind, *slot;
    struct tlv board, golden;
    if (!find_exactly(start, at, end, TAG_COUNTER, sizeof(uint32_t), &counter) ||
        !find_exactly(start, at, end, TAG_MODEL, IMAGE_HASH_BYTES, &image->model_sha256) ||
        !find_exactly(start, at, end, TAG_ABI, IMAGE_HASH_BYTES, &image->abi) ||
        !find_exactly(start, at, end, TAG_KIND, 1, &kind) || !find_exactly(start, at, end, TAG_SLOT, 1, &slot) ||
        !find(start, at, end, TAG_BOARD, &board) || !find(start, at, end, TAG_GOLDEN, &golden)) {
        return IMAGE_MALFORMED;
    }
    if (counter == NULL || image->model_sha256 == NULL || kind == NULL || board.value == NULL) {
        return IMAGE_MISSING_FIELD;
    }
    image->version = (struct image_version){start[20], start[21], bytes_u16(start + 22), bytes_u32(start + 24)};
    image->security_counter = bytes_u32(counter);
    enum image_refusal refusal = read_golden(image, golden);
    if (refusal != IMAGE_ACCEPTED) {
        return refusal;
    }
    if (board.length != text_length(demand->board) || !bytes_equal(board.value, demand->board, board.length)) {
        return IMAGE_WRONG_BOARD;
    }
    if (*kind != demand->kind) {
        return IMAGE_WRONG_KIND;
    }
    if (demand->kind == IMAGE_MODEL) {
        if (slot == NULL || image->abi == NULL) {
            return IMAGE_MISSING_FIELD;
        }
        if (*slot != demand->slot) {
            return IMAGE_WRONG_SLOT;
        }
        if (!bytes_equal(image->abi, demand->abi, IMAGE_HASH_BYTES)) {
            return IMAGE_WRONG_ABI;
        }
    }
    return image->security_counter < demand->security_counter ? IMAGE_OLDER_COUNTER : IMAGE_ACCEPTED;
}

enum image_refusal image_close(struct image_check *check)
{
    enum image_refusal refusal = authenticate(check);
    return refusal != IMAGE_ACCEPTED ? refusal : describe(&check->image, check->demand);
}

enum image_refusal image_read_verified(struct image *into, const uint8_t *start, uint32_t limit,
                                       const struct image_demand *demand)
{
    struct image_check check;
    enum image_refusal refusal = image_open(&check, start, limit, demand);
    if (refusal == IMAGE_ACCEPTED) {
        refusal = describe(&check.image, demand);
    }
    *into = check.image;
    return refusal;
}

enum image_refusal image_verify(struct image *into, const uint8_t *start, uint32_t limit,
                                const struct image_demand *demand)
{
    struct image_check check;
    enum image_refusal refusal = image_open(&check, start, limit, demand);
    if (refusal == IMAGE_ACCEPTED) {
        image_hash_some(&check, check.image.hashed);
        refusal = image_close(&check);
    }
    *into = check.image;
    return refusal;
}

void image_version_text(const struct image_version *version, char *text)
{
    struct text out = text_into(text, IMAGE_VERSION_BYTES);
    text_number(&out, version->major);
    text_add(&out, ".");
    text_number(&out, version->minor);
    text_add(&out, ".");
    text_number(&out, version->revision);
    text_add(&out, "+");
    text_number(&out, version->build);
}

const char *image_refusal_word(enum image_refusal refusal)
{
    static const char *const words[] = {
        [IMAGE_ACCEPTED] = "accepted",
        [IMAGE_TOO_LARGE] = "too-large",
        [IMAGE_WRONG_MAGIC] = "wrong-magic",
        [IMAGE_UNSUPPORTED_HEADER] = "unsupported-header",
        [IMAGE_TRUNCATED] = "truncated",
        [IMAGE_MALFORMED] = "malformed",
        [IMAGE_UNSIGNED] = "unsigned",
        [IMAGE_WRONG_HASH] = "wrong-hash",
        [IMAGE_WRONG_KEY] = "wrong-key",
        [IMAGE_WRONG_SIGNATURE] = "wrong-signature",
        [IMAGE_MISSING_FIELD] = "missing-field",
        [IMAGE_WRONG_BOARD] = "wrong-board",
        [IMAGE_WRONG_KIND] = "wrong-kind",
        [IMAGE_WRONG_SLOT] = "wrong-slot",
        [IMAGE_WRONG_ABI] = "wrong-abi",
        [IMAGE_OLDER_COUNTER] = "older-security-counter",
    };
    return words[refusal];
}
