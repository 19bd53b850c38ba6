/* Pulls one package at a time: stop and wait, block by block, from where the flash says that it was left. */
#include "lwm2m/download.h"

#include <string.h>

#include "core/clock.h"
#include "lwm2m/coap_endpoint.h"
#include "lwm2m/package.h"
#include "lwm2m/refusal.h"
#include "lwm2m/registration.h"
#include "lwm2m/uri.h"
#include "net/random.h"

#define MAX_FAILURES 5u /* in a row; any progress starts the count anew */
#define MAX_RESTARTS 2u /* a package that changes under its URI more often is not worth waiting for */
#define BACKOFF_MS 1000u
#define TOTAL_MS 3600000u

static bool active;
static enum update_target target;
static char text[UPDATE_URI_BYTES];
static uint32_t text_length;
static struct uri uri; /* points into text */
static uint32_t began_at;
static uint32_t offset;
static uint8_t exponent;
static bool begun; /* the first answer has come: the package is known by its ETag */
static uint8_t etag[COAP_ETAG_BYTES];
static uint32_t etag_length;
static uint32_t failures;
static uint32_t restarts;
static uint32_t failed_at;
static uint32_t wait_ms;

static void fail(enum package_failure failure)
{
    active = false;
    coap_cancel(COAP_DOWNLOAD);
    package_fail(target, failure);
}

static void give_up(int status)
{
    active = false;
    coap_cancel(COAP_DOWNLOAD);
    package_give_up(target, status);
}

static void try_again(void)
{
    failures++;
    if (failures > MAX_FAILURES) {
        fail(PACKAGE_CONNECTION_LOST);
        return;
    }
    failed_at = clock_ms();
    wait_ms = random_below(BACKOFF_MS << failures) + 1;
}

/* The package is another one than before: from its first byte. */
static void restart(void)
{
    restarts++;
    if (restarts > MAX_RESTARTS) {
        fail(PACKAGE_INTEGRITY);
        return;
    }
    begun = false;
    offset = 0;
}

static bool begin_package(const struct coap_message *response)
{
    etag_length = response->etag.length;
    memcpy(etag, response->etag.data != 0 ? response->etag.data : etag, etag_length);
    bool resumed = etag_length > 0 && update_resume_offset(target, etag, etag_length, &offset) == OS_OK && offset > 0;
    if (!resumed) {
        offset = 0;
        uint32_t size = response->size2 >= 0 ? (uint32_t)response->size2 : 0;
        int status = update_begin(target, size, etag, etag_length);
        if (status != OS_OK) {
            give_up(status);
            return false;
        }
    }
    begun = true;
    return true;
}

static bool same_package(const struct coap_message *response)
{
    return response->etag.length == etag_length &&
           (etag_length == 0 || memcmp(response->etag.data, etag, etag_length) == 0);
}

static void take(const struct coap_message *response)
{
    struct coap_block block = response->block2;
    uint32_t length = response->payload.length;
    uint32_t size = block.present ? coap_block_size(&block) : COAP_BLOCK_BYTES;
    uint32_t start = block.number * size;
    bool last = !block.present || !block.more;
    if (length > size || (!last && length != size) || start > offset) {
        try_again();
        return;
    }
    bool smaller = block.present && block.exponent < exponent;
    if (smaller) {
        exponent = block.exponent;
    }
    /* What is in flash already is passed over: after a resume the block may begin before the offset. */
    uint32_t skip = offset - start;
    if (skip < length) {
        int status = update_write(target, offset, response->payload.data + skip, length - skip);
        if (status != OS_OK) {
            give_up(status);
            return;
        }
        offset += length - skip;
        failures = 0;
    } else if (last && offset > start + length) {
        restart(); /* shorter than what was there before */
        return;
    } else if (!last && !smaller) {
        try_again(); /* another block than the one that was asked for */
        return;
    }
    if (last && offset == start + length) {
        active = false;
        (void)update_set_uri(target, "", 0);
        int status = update_finish(target);
        if (status != OS_OK) {
            give_up(status);
        }
    }
}

static void answered(enum coap_outcome outcome, const struct coap_message *response)
{
    if (outcome != COAP_ANSWERED) {
        try_again();
    } else if (response->code == COAP_INCOMPLETE) {
        restart();
    } else if (response->code >> 5 == 5) {
        try_again();
    } else if (response->code != COAP_CONTENT) {
        fail(PACKAGE_BAD_URI);
    } else if (begun && !same_package(response)) {
        restart();
    } else if (begun) {
        take(response);
    } else if (response->block2.present && response->block2.number != 0) {
        try_again();
    } else if (begin_package(response)) {
        if (offset == 0) {
            take(response);
        }
    }
}

static void ask(enum link link)
{
    struct coap_block block = {
        .present = true, .exponent = exponent, .number = begun ? offset / (16u << exponent) : 0};
    struct coap_writer *writer = coap_request(COAP_DOWNLOAD, link, COAP_GET);
    for (uint32_t index = 0; index < uri.path_count; index++) {
        coap_write_option(writer, COAP_OPTION_URI_PATH, uri.path[index].data, uri.path[index].length);
    }
    for (uint32_t index = 0; index < uri.query_count; index++) {
        coap_write_option(writer, COAP_OPTION_URI_QUERY, uri.query[index].data, uri.query[index].length);
    }
    coap_write_block(writer, COAP_OPTION_BLOCK2, &block);
    if (!coap_send(COAP_DOWNLOAD, answered)) {
        fail(PACKAGE_BAD_URI);
    }
}

static void start(enum update_target for_target, const char *from, uint32_t length)
{
    target = for_target;
    memcpy(text, from, length);
    text_length = length;
    enum os_status status = uri_parse((const uint8_t *)text, text_length, &uri);
    enum link link;
    active = true;
    began_at = clock_ms();
    offset = failures = restarts = wait_ms = 0;
    exponent = COAP_BLOCK_EXPONENT;
    begun = false;
    if (status != OS_OK) {
        fail(status == OS_STATE ? PACKAGE_BAD_PROTOCOL : PACKAGE_BAD_URI);
    } else if (link_to_package(&uri.host, uri.secure, &link) != OS_OK) {
        fail(PACKAGE_BAD_PROTOCOL);
    }
}

void download_start(void)
{
    active = false;
    for (uint32_t each = 0; each < UPDATE_TARGETS; each++) {
        const char *kept = update_uri((enum update_target)each);
        uint32_t length = (uint32_t)strlen(kept);
        if (length > 0 && length <= sizeof text && !active) {
            start((enum update_target)each, kept, length);
        } else if (length == 0 && update_state_of((enum update_target)each) == UPDATE_RECEIVING) {
            package_fail((enum update_target)each, PACKAGE_CONNECTION_LOST); /* pushed: its blocks go on nowhere */
        }
    }
}

enum coap_code download_begin(enum update_target for_target, const uint8_t *from, uint32_t length)
{
    if (active) {
        return refuse(COAP_UNAVAILABLE, "another package is being pulled: try again");
    }
    if (length > sizeof text) {
        return refuse(COAP_BAD_REQUEST, "a package URI has at most 255 bytes");
    }
    int status = update_set_uri(for_target, (const char *)from, length);
    if (status != OS_OK) {
        return package_refusal(for_target, status);
    }
    start(for_target, (const char *)from, length);
    return COAP_CHANGED;
}

void download_stop(enum update_target for_target)
{
    if (active && target == for_target) {
        active = false;
        coap_cancel(COAP_DOWNLOAD);
    }
}

void download_poll(void)
{
    enum link link;
    if (!active) {
        return;
    }
    if (clock_ms() - began_at >= TOTAL_MS) {
        fail(PACKAGE_CONNECTION_LOST);
        return;
    }
    bool waiting = wait_ms > 0 && clock_ms() - failed_at < wait_ms;
    if (coap_busy(COAP_DOWNLOAD) || waiting || !registration_active()) {
        return; /* the package is known to the server, and the server to the registration */
    }
    wait_ms = 0;
    if (link_to_package(&uri.host, uri.secure, &link) == OS_OK) {
        ask(link);
    }
}
