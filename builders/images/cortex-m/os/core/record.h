/* Small things that must never be half written: two copies of a record, a sector each; the newest valid one counts. */
#ifndef CORE_RECORD_H
#define CORE_RECORD_H

#include <stdint.h>

#include "core/status.h"

#define RECORD_MAX_BYTES 4080u

/* Reads the record whose copies begin at `offset`; OS_NOT_FOUND when neither copy is valid with this length. */
enum os_status record_load(uint32_t offset, void *content, uint32_t length);

/* Replaces the record. Power lost in between leaves the old content or the new one. */
enum os_status record_store(uint32_t offset, const void *content, uint32_t length);

/* The newest valid copy where it lies in flash, and its length; NULL when there is none. */
const uint8_t *record_find(uint32_t offset, uint32_t *length);

#endif
