/* Things that must never be half written: two copies of a record; the newest valid one counts. A copy has a sector, or
 * several for what is larger. */
#ifndef CORE_RECORD_H
#define CORE_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "core/status.h"

#define RECORD_HEADER_BYTES 16u
#define RECORD_MAX_BYTES 4080u /* of content, where a copy has one sector */

/* Reads the record whose copies begin at `offset`; OS_NOT_FOUND when neither copy is valid with this length. */
enum os_status record_load(uint32_t offset, void *content, uint32_t length);

/* Replaces the record. Power lost in between leaves the old content or the new one. */
enum os_status record_store(uint32_t offset, const void *content, uint32_t length);

/* Whether the record was stored once at the most: a copy of it is still erased. Without a valid copy, it is one that was
 * damaged when this is false; lost power damages no more than one. */
bool record_is_new(uint32_t offset);

/* The newest valid copy where it lies in flash, and its length; NULL when there is none. */
const uint8_t *record_find(uint32_t offset, uint32_t *length);

/* The same for a record whose copies have `copy_bytes` each, whole sectors. */
const uint8_t *record_find_large(uint32_t offset, uint32_t copy_bytes, uint32_t *length);

/* A record that is replaced piece by piece; what is there counts until record_commit. */
struct record_writer {
    uint32_t target, length, sequence; /* of the copy: where, bytes of content, number */
    uint32_t written;                  /* bytes of content */
};

/* OS_TOO_LARGE when the content does not fit into a copy. Erases what the header lies in. */
enum os_status record_begin(struct record_writer *writer, uint32_t offset, uint32_t copy_bytes, uint32_t length);

/* The next bytes: whole granules, unless they are the last. Erases each sector before the first byte in it. */
enum os_status record_append(struct record_writer *writer, const void *data, uint32_t length);

/* From now on the new content counts; OS_STATE when bytes are missing. */
enum os_status record_commit(const struct record_writer *writer);

#endif
