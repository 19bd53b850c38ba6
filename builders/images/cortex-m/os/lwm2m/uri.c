/* Reads coap:// and coaps:// URIs. */
#include "lwm2m/uri.h"

#include <string.h>

#define DEFAULT_PORT 5683u
#define DEFAULT_SECURE_PORT 5684u
#define MAX_SEGMENT 255u

struct scan {
    const uint8_t *text;
    uint32_t length;
    uint32_t at;
};

static bool take(struct scan *scan, const char *expected)
{
    uint32_t length = (uint32_t)strlen(expected);
    if (length > scan->length - scan->at || memcmp(scan->text + scan->at, expected, length) != 0) {
        return false;
    }
    scan->at += length;
    return true;
}

static bool take_number(struct scan *scan, uint32_t limit, uint32_t *number)
{
    uint32_t begin = scan->at;
    *number = 0;
    while (scan->at < scan->length && scan->text[scan->at] >= '0' && scan->text[scan->at] <= '9') {
        *number = *number * 10 + (scan->text[scan->at++] - '0');
        if (*number > limit) {
            return false;
        }
    }
    return scan->at > begin;
}

static bool take_host(struct scan *scan, struct udp_address *host)
{
    host->ip = 0;
    for (uint32_t part = 0; part < 4; part++) {
        uint32_t number;
        if ((part > 0 && !take(scan, ".")) || !take_number(scan, 255, &number)) {
            return false;
        }
        host->ip = host->ip << 8 | number;
    }
    if (take(scan, ":")) {
        uint32_t number;
        if (!take_number(scan, UINT16_MAX, &number) || number == 0) {
            return false;
        }
        host->port = (uint16_t)number;
    }
    return scan->at == scan->length || scan->text[scan->at] == '/' || scan->text[scan->at] == '?';
}

/* The texts between `separator`s up to `end` or the end of the text. */
static bool take_texts(struct scan *scan, uint8_t separator, uint8_t end, struct coap_text *texts, uint32_t capacity,
                       uint32_t *count)
{
    do {
        uint32_t begin = ++scan->at; /* behind the separator */
        while (scan->at < scan->length && scan->text[scan->at] != separator && scan->text[scan->at] != end) {
            uint8_t letter = scan->text[scan->at++];
            if (letter <= ' ' || letter >= 0x7F || letter == '%' || letter == '#') {
                return false;
            }
        }
        if (*count == capacity || scan->at - begin > MAX_SEGMENT) {
            return false;
        }
        texts[(*count)++] = (struct coap_text){scan->text + begin, scan->at - begin};
    } while (scan->at < scan->length && scan->text[scan->at] == separator);
    return true;
}

enum os_status uri_parse(const uint8_t *text, uint32_t length, struct uri *uri)
{
    struct scan scan = {text, length, 0};
    memset(uri, 0, sizeof *uri);
    uri->secure = take(&scan, "coaps://");
    uri->host.port = uri->secure ? DEFAULT_SECURE_PORT : DEFAULT_PORT;
    if (!uri->secure && !take(&scan, "coap://")) {
        for (uint32_t index = 0; index + 3 <= length; index++) {
            if (memcmp(text + index, "://", 3) == 0) {
                return OS_STATE;
            }
        }
        return OS_ARGUMENT;
    }
    if (!take_host(&scan, &uri->host)) {
        return OS_ARGUMENT;
    }
    if (scan.at < length && text[scan.at] == '/' &&
        !take_texts(&scan, '/', '?', uri->path, COAP_SEGMENTS, &uri->path_count)) {
        return OS_ARGUMENT;
    }
    if (scan.at < length && text[scan.at] == '?' &&
        !take_texts(&scan, '&', '\0', uri->query, COAP_QUERIES, &uri->query_count)) {
        return OS_ARGUMENT;
    }
    if (uri->path_count == 1 && uri->path[0].length == 0) {
        uri->path_count = 0;
    }
    return scan.at == length ? OS_OK : OS_ARGUMENT;
}
