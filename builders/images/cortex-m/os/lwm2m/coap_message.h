/* CoAP messages (RFC 7252, section 3) with the options that LwM2M uses: read within bounds, written within bounds. */
#ifndef LWM2M_COAP_MESSAGE_H
#define LWM2M_COAP_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>

#define COAP_TOKEN_BYTES 8u
#define COAP_ETAG_BYTES 8u
#define COAP_SEGMENTS 8u
#define COAP_QUERIES 8u
#define COAP_BLOCK_EXPONENT 6u /* 1024 bytes */
#define COAP_BLOCK_BYTES (16u << COAP_BLOCK_EXPONENT)
#define COAP_ABSENT (-1)

enum coap_type { COAP_CON, COAP_NON, COAP_ACK, COAP_RST };

enum coap_code {
    COAP_EMPTY = 0x00,
    COAP_GET = 0x01,
    COAP_POST = 0x02,
    COAP_PUT = 0x03,
    COAP_DELETE = 0x04,
    COAP_FETCH = 0x05,
    COAP_CREATED = 0x41,
    COAP_DELETED = 0x42,
    COAP_VALID = 0x43,
    COAP_CHANGED = 0x44,
    COAP_CONTENT = 0x45,
    COAP_CONTINUE = 0x5F,
    COAP_BAD_REQUEST = 0x80,
    COAP_UNAUTHORIZED = 0x81,
    COAP_BAD_OPTION = 0x82,
    COAP_FORBIDDEN = 0x83,
    COAP_NOT_FOUND = 0x84,
    COAP_METHOD_NOT_ALLOWED = 0x85,
    COAP_NOT_ACCEPTABLE = 0x86,
    COAP_INCOMPLETE = 0x88,
    COAP_PRECONDITION_FAILED = 0x8C,
    COAP_TOO_LARGE = 0x8D,
    COAP_UNSUPPORTED_FORMAT = 0x8F,
    COAP_INTERNAL_ERROR = 0xA0,
    COAP_UNAVAILABLE = 0xA3,
};

enum coap_option {
    COAP_OPTION_URI_HOST = 3,
    COAP_OPTION_ETAG = 4,
    COAP_OPTION_OBSERVE = 6,
    COAP_OPTION_URI_PORT = 7,
    COAP_OPTION_LOCATION_PATH = 8,
    COAP_OPTION_URI_PATH = 11,
    COAP_OPTION_CONTENT_FORMAT = 12,
    COAP_OPTION_URI_QUERY = 15,
    COAP_OPTION_ACCEPT = 17,
    COAP_OPTION_BLOCK2 = 23,
    COAP_OPTION_BLOCK1 = 27,
    COAP_OPTION_SIZE2 = 28,
    COAP_OPTION_SIZE1 = 60,
};

struct coap_text {
    const uint8_t *data;
    uint32_t length;
};

struct coap_block {
    bool present;
    bool more;
    uint8_t exponent; /* 0 to 6 */
    uint32_t number;
};

/* What a datagram says; the texts point into it. */
struct coap_message {
    uint8_t type;
    uint8_t code;
    uint16_t id;
    uint8_t token[COAP_TOKEN_BYTES];
    uint32_t token_length;
    struct coap_text path[COAP_SEGMENTS];
    uint32_t path_count;
    struct coap_text location[COAP_SEGMENTS];
    uint32_t location_count;
    struct coap_text query[COAP_QUERIES];
    uint32_t query_count;
    struct coap_text etag;
    int32_t observe;
    int32_t content_format;
    int32_t accept;
    struct coap_block block1;
    struct coap_block block2;
    int64_t size1;
    int64_t size2;
    struct coap_text payload;
};

enum coap_verdict {
    COAP_GOOD,
    COAP_MALFORMED,    /* the header tells type and id at most */
    COAP_UNUNDERSTOOD, /* a critical option is unknown, or a known one has a value that it cannot have */
};

/* Read a datagram. With COAP_MALFORMED, `message` has type and id when there were four bytes of version 1, else type
   is COAP_NON: nobody to answer. */
enum coap_verdict coap_parse(const uint8_t *data, uint32_t length, struct coap_message *message);

/* Where a message is being written; `failed` once something did not fit. */
struct coap_writer {
    uint8_t *data;
    uint32_t capacity;
    uint32_t length;
    uint32_t last_option;
    bool failed;
};

void coap_write_header(struct coap_writer *writer, enum coap_type type, uint8_t code, uint16_t id,
                       const uint8_t *token, uint32_t token_length);

/* Options are written in the order of their numbers. */
void coap_write_option(struct coap_writer *writer, enum coap_option option, const void *value, uint32_t length);
void coap_write_number(struct coap_writer *writer, enum coap_option option, uint32_t value);
void coap_write_string(struct coap_writer *writer, enum coap_option option, const char *value);
void coap_write_block(struct coap_writer *writer, enum coap_option option, const struct coap_block *block);
void coap_write_payload(struct coap_writer *writer, const void *payload, uint32_t length);

static inline uint32_t coap_block_size(const struct coap_block *block)
{
    return 16u << block->exponent;
}

#endif
