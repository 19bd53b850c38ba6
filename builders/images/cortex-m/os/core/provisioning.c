/* Reads the page: header, TLVs (u8 type, u16 length, little-endian), CRC-32 over all before it. */
#include "core/provisioning.h"

#include "core/bytes.h"
#include "core/crc32.h"

#define MAGIC 0x504C4D54u /* "TMLP" */
#define VERSION 1u
#define HEADER_BYTES 8u /* magic, version, length of the TLVs */
#define TLV_HEADER_BYTES 3u
#define CRC_BYTES 4u

#define DEFAULT_LIFETIME_S 120u
#define DEFAULT_CONFIRM_S 120u

enum field {
    FIELD_ENDPOINT = 1,
    FIELD_SERVER,
    FIELD_IDENTITY,
    FIELD_KEY,
    FIELD_SIGNING_KEY,
    FIELD_SEED,
    FIELD_PERIOD,
    FIELD_LIFETIME,
    FIELD_BOARD,
    FIELD_CONFIRM,
    FIELD_SENSOR_PORT,
};

#define BIT(field) (1u << (field))
#define REQUIRED (BIT(FIELD_ENDPOINT) | BIT(FIELD_SERVER) | BIT(FIELD_SIGNING_KEY) | BIT(FIELD_SEED) | BIT(FIELD_BOARD))

static enum os_status take_text(char *into, const uint8_t *from, uint32_t length)
{
    if (length == 0 || length > PROVISIONING_TEXT_BYTES) {
        return OS_DAMAGED;
    }
    bytes_copy(into, from, length);
    into[length] = '\0';
    return OS_OK;
}

static enum os_status take_exactly(uint8_t *into, uint32_t size, const uint8_t *from, uint32_t length)
{
    if (length != size) {
        return OS_DAMAGED;
    }
    bytes_copy(into, from, length);
    return OS_OK;
}

static enum os_status take_number(uint32_t *into, const uint8_t *from, uint32_t length)
{
    if (length != sizeof *into) {
        return OS_DAMAGED;
    }
    *into = bytes_u32(from);
    return OS_OK;
}

static enum os_status take(struct provisioning *into, uint8_t field, const uint8_t *value, uint32_t length)
{
    switch (field) {
    case FIELD_ENDPOINT:
        return take_text(into->endpoint, value, length);
    case FIELD_SERVER:
        return take_text(into->server, value, length);
    case FIELD_IDENTITY:
        return take_text(into->identity, value, length);
    case FIELD_BOARD:
        return take_text(into->board, value, length);
    case FIELD_KEY:
        if (length > PROVISIONING_KEY_BYTES) {
            return OS_DAMAGED;
        }
        into->key_length = length;
        bytes_copy(into->key, value, length);
        return OS_OK;
    case FIELD_SIGNING_KEY:
        return take_exactly(into->signing_key, sizeof into->signing_key, value, length);
    case FIELD_SEED:
        return take_exactly(into->seed, sizeof into->seed, value, length);
    case FIELD_PERIOD:
        return take_number(&into->period_us, value, length);
    case FIELD_LIFETIME:
        return take_number(&into->lifetime_s, value, length);
    case FIELD_CONFIRM:
        return take_number(&into->confirm_s, value, length);
    case FIELD_SENSOR_PORT:
        if (length != sizeof into->sensor_port) {
            return OS_DAMAGED;
        }
        into->sensor_port = bytes_u16(value);
        return OS_OK;
    default:
        return OS_OK; /* a later host may write more */
    }
}

enum os_status provisioning_read(const uint8_t *page, uint32_t size, struct provisioning *into)
{
    bytes_fill(into, 0, sizeof *into);
    into->lifetime_s = DEFAULT_LIFETIME_S;
    into->confirm_s = DEFAULT_CONFIRM_S;
    if (size < HEADER_BYTES + CRC_BYTES || bytes_u32(page) != MAGIC || bytes_u16(page + 4) != VERSION) {
        return OS_DAMAGED;
    }
    uint32_t end = HEADER_BYTES + bytes_u16(page + 6);
    if (end > size - CRC_BYTES || bytes_u32(page + end) != crc32(page, end)) {
        return OS_DAMAGED;
    }
    uint32_t seen = 0;
    for (uint32_t at = HEADER_BYTES; at < end;) {
        if (end - at < TLV_HEADER_BYTES) {
            return OS_DAMAGED;
        }
        uint8_t field = page[at];
        uint32_t length = bytes_u16(page + at + 1);
        at += TLV_HEADER_BYTES;
        if (length > end - at || take(into, field, page + at, length) != OS_OK) {
            return OS_DAMAGED;
        }
        seen |= field < 32 ? BIT(field) : 0;
        at += length;
    }
    return (seen & REQUIRED) == REQUIRED ? OS_OK : OS_DAMAGED;
}
