/* Feeds mutated datagrams into the receive path of the device OS: FUZZ SEED CASES. Prints what was answered.

   The session, the random numbers and the clock are this program's, so that the same seed gives the same run. Datagrams
   are valid ones of every operation, then mutated blindly and with knowledge of options, TLV and CBOR; between them time
   passes, exchanges are answered and the device registers again. It is compiled with sanitizers, and checks besides that
   what the device sends is well-formed, and that at the end the device still answers. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/training.h"
#include "core/update.h"
#include "core_memory.h"
#include "federation/sensor.h"
#include "lwm2m/client.h"
#include "lwm2m/coap_message.h"
#include "net/link.h"
#include "net/random.h"
#include "port/datagram.h"
#include "training_memory.h"

#define SEEDS 80u
#define MAX_DATAGRAM 1400u
#define SENT_KEPT 8u

struct datagram {
    uint32_t length;
    uint8_t data[MAX_DATAGRAM];
};

static uint64_t state;
static uint32_t now_ms = 1;
static link_listener listener;
static struct datagram seeds[SEEDS];
static uint32_t seed_count;
static struct datagram sent[SENT_KEPT]; /* the device's last datagrams: answers to its requests are made from them */
static uint32_t sent_count;
static uint64_t answers[8];
static uint64_t resets, requests;

static uint32_t dice(uint32_t limit)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 32) % limit;
}

/* --- What the program stands for ------------------------------------------------------------------------------- */

enum os_status random_bytes(uint8_t *data, uint32_t length)
{
    while (length-- > 0) {
        *data++ = (uint8_t)dice(256);
    }
    return OS_OK;
}

uint32_t random_below(uint32_t limit)
{
    return dice(limit);
}

enum os_status link_start(const struct link_settings *settings, link_listener wanted)
{
    (void)settings;
    listener = wanted;
    return OS_OK;
}

void link_connect(void)
{
}

enum link_state link_state(void)
{
    return LINK_UP;
}

uint32_t link_moves(void)
{
    return 0;
}

enum os_status link_to_package(const struct udp_address *host, bool secure, enum link *link)
{
    *link = host->port == 1 ? LINK_SERVER : LINK_PACKAGE;
    return secure ? OS_ARGUMENT : OS_OK;
}

void link_poll(void)
{
}

bool datagram_up(void)
{
    return true;
}

/* What a sensor is about to send. */
static const struct datagram *from_sensor;

enum os_status datagram_listen(uint16_t port)
{
    (void)port;
    return OS_OK;
}

uint32_t datagram_heard(struct udp_address *from, uint8_t *data, uint32_t capacity)
{
    const struct datagram *next = from_sensor;
    from_sensor = NULL;
    if (next == NULL || next->length > capacity) {
        return 0;
    }
    *from = (struct udp_address){1, (uint16_t)dice(4)};
    memcpy(data, next->data, next->length);
    return next->length;
}

enum os_status datagram_reply(const struct udp_address *to, const uint8_t *data, uint32_t length)
{
    (void)to;
    return link_send(LINK_SERVER, data, length);
}

enum os_status link_send(enum link link, const uint8_t *data, uint32_t length)
{
    struct coap_message message;
    (void)link;
    if (length > LINK_MESSAGE_BYTES || coap_parse(data, length, &message) != COAP_GOOD) {
        fprintf(stderr, "the device sent a malformed message of %u bytes\n", (unsigned)length);
        abort();
    }
    answers[message.code >> 5]++;
    resets += message.type == COAP_RST;
    requests += message.code > 0 && message.code < 32;
    struct datagram *kept = &sent[sent_count++ % SENT_KEPT];
    kept->length = length;
    memcpy(kept->data, data, length);
    return OS_OK;
}

/* --- Valid datagrams -------------------------------------------------------------------------------------------- */

struct request {
    uint8_t code;
    const char *path;
    int32_t content_format, accept, observe;
    int32_t block1, block2; /* as in the option */
    const char *query;
    const void *payload;
    uint32_t payload_length;
};

static void add(const struct request *request)
{
    struct datagram *to = &seeds[seed_count++];
    static const uint8_t token[] = {1, 2, 3, 4};
    struct coap_writer writer = {.data = to->data, .capacity = sizeof to->data};
    if (seed_count > SEEDS) {
        abort();
    }
    coap_write_header(&writer, COAP_CON, request->code, (uint16_t)(0x1000 + seed_count), token, sizeof token);
    if (request->observe >= 0) {
        coap_write_number(&writer, COAP_OPTION_OBSERVE, (uint32_t)request->observe);
    }
    for (const char *at = request->path; *at == '/' && at[1] != '\0';) {
        const char *end = strchr(at + 1, '/');
        uint32_t length = (uint32_t)(end == NULL ? strlen(at + 1) : (size_t)(end - at - 1));
        coap_write_option(&writer, COAP_OPTION_URI_PATH, at + 1, length);
        at += 1 + length;
    }
    if (request->content_format >= 0) {
        coap_write_number(&writer, COAP_OPTION_CONTENT_FORMAT, (uint32_t)request->content_format);
    }
    if (request->query != NULL) {
        coap_write_string(&writer, COAP_OPTION_URI_QUERY, request->query);
    }
    if (request->accept >= 0) {
        coap_write_number(&writer, COAP_OPTION_ACCEPT, (uint32_t)request->accept);
    }
    if (request->block2 >= 0) {
        coap_write_number(&writer, COAP_OPTION_BLOCK2, (uint32_t)request->block2);
    }
    if (request->block1 >= 0) {
        coap_write_number(&writer, COAP_OPTION_BLOCK1, (uint32_t)request->block1);
    }
    coap_write_payload(&writer, request->payload, request->payload_length);
    to->length = writer.length;
    if (writer.failed) {
        abort();
    }
}

static void read_seed(const char *path, int32_t accept, int32_t observe, int32_t block2)
{
    add(&(struct request){.code = COAP_GET, .path = path, .content_format = -1, .accept = accept, .observe = observe,
                          .block1 = -1, .block2 = block2});
}

static void write_seed(uint8_t code, const char *path, int32_t format, int32_t block1, const void *data, uint32_t length)
{
    add(&(struct request){.code = code, .path = path, .content_format = format, .accept = -1, .observe = -1,
                          .block1 = block1, .block2 = -1, .payload = data, .payload_length = length});
}

static void make_seeds(void)
{
    static const int32_t accepts[] = {-1, 0, 40, 42, 60, 112, 11542};
    static uint8_t block[1024];
    static const uint8_t tlv[] = {0xC1, 0x01, 0x3C, 0xC1, 0x17, 0x01};
    static const uint8_t tlv_instance[] = {0x06, 0x00, 0xC1, 0x01, 0x3C, 0xC1, 0x17, 0x00};
    static const uint8_t senml[] = {0x82, 0xA3, 0x21, 0x64, '/', '1', '/', '0', 0x00, 0x62, '/', '1', 0x02, 0x18, 0x3C,
                                    0xA2, 0x00, 0x63, '/', '2', '3', 0x04, 0xF5};
    static const uint8_t paths[] = {0x82, 0xA1, 0x00, 0x66, '/', '3', '/', '0', '/', '3',
                                    0xA1, 0x00, 0x62, '/', '9'};
    static const uint8_t head[] = {0xA3, 0x6A, 'f', 'e', 'd', 'e', 'r', 'a', 't', 'i', 'o', 'n', 0x61, 'f',
                                   0x65, 'r', 'o', 'u', 'n', 'd', 0x01, 0x67, 'w', 'e', 'i', 'g', 'h', 't', 's', 0x82,
                                   0xD8, 85, 0x58, 48};
    static const uint8_t head_end[] = {0xD8, 85, 0x4C, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    static const uint8_t sample[2 + TRAINING_MEMORY_INPUT_BYTES] = {2, 0, 100, 50, 20, 10};
    static uint8_t document[sizeof head + 48 + sizeof head_end];
    static const char *const read[] = {"/1", "/3/0", "/5/0/3", "/9", "/26241/0/0", "/26242/0", "/3/0/11/0"};
    for (uint32_t path = 0; path < sizeof read / sizeof read[0]; path++) {
        read_seed(read[path], accepts[path], -1, -1);
    }
    for (uint32_t accept = 0; accept < sizeof accepts / sizeof accepts[0]; accept++) {
        read_seed("/5/0/3", accepts[accept], -1, -1);
    }
    read_seed("/5/0/3", -1, 0, -1);
    read_seed("/26241/0/12", 112, 0, -1);
    read_seed("/5/0/3", -1, 1, -1);
    read_seed("/26241/0/0", -1, -1, 1 << 4 | 6);
    read_seed("/26241/0", 11542, -1, 40 << 4 | 2);
    write_seed(COAP_PUT, "/1/0/1", 0, -1, "60", 2);
    write_seed(COAP_PUT, "/1/0/1", 60, -1, "\x18\x3c", 2);
    write_seed(COAP_POST, "/1/0", 11542, -1, tlv, sizeof tlv);
    uint8_t many[3 * 10]; /* more values than one request may write */
    for (uint32_t at = 0; at < sizeof many; at += sizeof tlv / 2) {
        memcpy(many + at, tlv, sizeof tlv / 2);
    }
    write_seed(COAP_PUT, "/1/0", 11542, -1, many, sizeof many);
    write_seed(COAP_PUT, "/1/0", 11542, -1, tlv_instance, sizeof tlv_instance);
    write_seed(COAP_PUT, "/1/0", 112, -1, senml, sizeof senml);
    write_seed(COAP_PUT, "/5/0/1", 0, -1, "coap://127.0.0.1:1/fw/t?a=b", 27);
    write_seed(COAP_PUT, "/9/1/3", 0, -1, "coap://127.0.0.1:2/fw/t", 23);
    write_seed(COAP_PUT, "/5/0/1", 0, -1, "", 0);
    write_seed(COAP_PUT, "/5/0/0", 42, -1, "\0", 1);
    write_seed(COAP_PUT, "/5/0/0", 42, 0 << 4 | 8 | 6, block, sizeof block);
    write_seed(COAP_PUT, "/5/0/0", 42, 1 << 4 | 8 | 6, block, sizeof block);
    write_seed(COAP_PUT, "/5/0/0", 42, 2 << 4 | 6, block, 100);
    write_seed(COAP_PUT, "/9/0/2", 42, 0 << 4 | 8 | 2, block, 64);
    write_seed(COAP_PUT, "/9/0/2", 42, 1 << 4 | 2, block, 64);
    write_seed(COAP_PUT, "/26242/0/0", 42, 0 << 4 | 8 | 6, block, sizeof block);
    write_seed(COAP_PUT, "/26242/0/0", 42, 1 << 4 | 6, block, 976);
    write_seed(COAP_FETCH, "/", 112, -1, paths, sizeof paths);
    write_seed(COAP_POST, "/5/0/2", -1, -1, "", 0);
    write_seed(COAP_POST, "/5/0/10", -1, -1, "", 0);
    write_seed(COAP_POST, "/9/0/4", -1, -1, "", 0);
    write_seed(COAP_POST, "/9/0/6", 0, -1, "0='1'", 5);
    write_seed(COAP_POST, "/9/0/10", -1, -1, "", 0);
    write_seed(COAP_POST, "/9/0/11", -1, -1, "", 0);
    write_seed(COAP_POST, "/1/0/8", -1, -1, "", 0);
    write_seed(COAP_POST, "/3/0/4", -1, -1, "", 0);
    write_seed(COAP_DELETE, "/9/0", -1, -1, "", 0);
    memcpy(document, head, sizeof head);
    memcpy(document + sizeof head + 48, head_end, sizeof head_end);
    write_seed(COAP_PUT, "/19/0/0/0", 42, -1, document, sizeof document);
    write_seed(COAP_PUT, "/19/0/0/0", 42, 0 << 4 | 8 | 2, document, 64);
    write_seed(COAP_PUT, "/19/0/0/0", 42, 1 << 4 | 2, document + 64, sizeof document - 64);
    write_seed(COAP_PUT, "/26243/0/2", 42, -1, sample, sizeof sample);
    write_seed(COAP_POST, "/sample", 42, -1, sample, sizeof sample);
    write_seed(COAP_POST, "/26243/0/3", -1, -1, "", 0);
    write_seed(COAP_POST, "/26243/0/4", 0, -1, "0='1',1='2',2='10000'", 21);
    write_seed(COAP_PUT, "/26243/0/9", 0, -1, "1", 1);
    write_seed(COAP_POST, "/26243/0/14", -1, -1, "", 0);
    read_seed("/26243", -1, 0, -1);
    read_seed("/19/1", 112, -1, -1);
    read_seed("/19/1/0/0", 42, -1, 1 << 4 | 2);
    add(&(struct request){.code = COAP_PUT, .path = "/5/0/3", .content_format = -1, .accept = -1, .observe = -1,
                          .block1 = -1, .block2 = -1, .query = "pmin=10"});
}

/* --- Cases ------------------------------------------------------------------------------------------------------ */

/* An answer to one of the device's last messages: so that its own exchanges are fuzzed too. */
static void answer(struct datagram *to)
{
    static const uint8_t codes[] = {COAP_EMPTY, COAP_CREATED, COAP_CHANGED, COAP_CONTENT, COAP_NOT_FOUND,
                                    COAP_INCOMPLETE, COAP_UNAVAILABLE};
    static uint8_t payload[1024];
    struct coap_message asked;
    const struct datagram *last = &sent[dice(SENT_KEPT)];
    to->length = 0;
    if (last->length == 0 || coap_parse(last->data, last->length, &asked) != COAP_GOOD) {
        return;
    }
    struct coap_writer writer = {.data = to->data, .capacity = sizeof to->data};
    uint8_t code = codes[dice(sizeof codes)];
    if (dice(4) != 0) { /* mostly what it waits for */
        code = asked.code == COAP_GET ? COAP_CONTENT : dice(2) == 0 ? COAP_CREATED : COAP_CHANGED;
    }
    enum coap_type type = dice(8) == 0 ? (enum coap_type)dice(4) : COAP_ACK;
    coap_write_header(&writer, type, code, type == COAP_ACK ? asked.id : (uint16_t)dice(65536), asked.token,
                      code == COAP_EMPTY ? 0 : asked.token_length);
    if (code == COAP_CREATED) {
        coap_write_string(&writer, COAP_OPTION_LOCATION_PATH, "rd");
        coap_write_string(&writer, COAP_OPTION_LOCATION_PATH, "abc");
    }
    if (code == COAP_CONTENT) {
        struct coap_block block = asked.block2;
        block.present = true;
        block.more = dice(8) != 0;
        coap_write_option(&writer, COAP_OPTION_ETAG, "etag", 4);
        coap_write_block(&writer, COAP_OPTION_BLOCK2, &block);
        coap_write_payload(&writer, payload, coap_block_size(&block));
    }
    to->length = writer.failed ? 0 : writer.length;
}

static void splice(struct datagram *datagram)
{
    const struct datagram *other = &seeds[dice(seed_count)];
    uint32_t keep = dice(datagram->length + 1);
    uint32_t from = dice(other->length);
    uint32_t count = other->length - from < MAX_DATAGRAM - keep ? other->length - from : MAX_DATAGRAM - keep;
    memcpy(datagram->data + keep, other->data + from, count);
    datagram->length = keep + count;
}

static void resize(struct datagram *datagram, bool grow)
{
    uint32_t at = dice(datagram->length + 1);
    uint32_t count = 1 + dice(16);
    if (grow && datagram->length + count <= MAX_DATAGRAM) {
        memmove(datagram->data + at + count, datagram->data + at, datagram->length - at);
        random_bytes(datagram->data + at, count);
        datagram->length += count;
    } else if (!grow && at + count <= datagram->length) {
        memmove(datagram->data + at, datagram->data + at + count, datagram->length - at - count);
        datagram->length -= count;
    }
}

static void mutate(struct datagram *datagram)
{
    static const uint8_t telling[] = {0, 1, 0x7F, 0x80, 0xFF, 0x0D, 0x0E, 0xD0, 0xE0, 0xDD, 0xEE, 0x1F, 0x5F,
                                      0x9F, 0xBF, 0x1B, 0x3B, 0x5B, 0x7B, 0x9B, 0xBB, 0xC8, 0xD8, 0x08, 0x38};
    for (uint32_t round = dice(6); round > 0 && datagram->length > 0; round--) {
        uint32_t at = dice(datagram->length);
        switch (dice(7)) {
        case 0:
            datagram->data[at] ^= (uint8_t)(1u << dice(8));
            break;
        case 1:
            datagram->data[at] = (uint8_t)dice(256);
            break;
        case 2:
            datagram->data[at] = telling[dice(sizeof telling)];
            break;
        case 3:
            datagram->length = dice(datagram->length + 1);
            break;
        case 4:
            splice(datagram);
            break;
        case 5:
            resize(datagram, true);
            break;
        default:
            resize(datagram, false);
        }
    }
}

static void feed(const struct datagram *datagram)
{
    /* Of exactly its size, so that a read beyond it is seen. */
    uint8_t *copy = malloc(datagram->length > 0 ? datagram->length : 1);
    if (copy == NULL) {
        abort();
    }
    memcpy(copy, datagram->data, datagram->length);
    listener(dice(16) == 0 ? LINK_PACKAGE : LINK_SERVER, copy, datagram->length);
    free(copy);
}

static void one_case(void)
{
    struct datagram datagram;
    if (dice(4) == 0) {
        answer(&datagram);
    } else {
        datagram = seeds[dice(seed_count)];
        uint16_t id = (uint16_t)dice(65536); /* else it is a repetition, and only that */
        if (dice(8) != 0) {
            datagram.data[2] = (uint8_t)(id >> 8);
            datagram.data[3] = (uint8_t)id;
        }
    }
    if (dice(3) != 0) {
        mutate(&datagram);
    }
    if (dice(8) == 0) {
        from_sensor = &datagram;
        sensor_poll();
    } else {
        feed(&datagram);
    }
    (void)training_poll();
    if (dice(4) == 0) {
        now_ms += dice(dice(64) == 0 ? 200000 : 500);
        core_memory_set_clock(now_ms);
        client_poll();
    }
    if (dice(2000) == 0) {
        core_memory_clear();
        training_memory_clear();
    }
}

/* A read that a device in any state answers. */
static bool alive(void)
{
    static const uint8_t version[] = {0x40, COAP_GET, 0x77, 0x77, 0xB1, '3', 0x01, '0', 0x01, '3'};
    struct coap_message message;
    now_ms += 300000; /* past what is remembered of this id */
    core_memory_set_clock(now_ms);
    sent_count = 0;
    listener(LINK_SERVER, version, sizeof version);
    return sent_count == 1 && coap_parse(sent[0].data, sent[0].length, &message) == COAP_GOOD &&
           message.code == COAP_CONTENT && message.payload.length == 5;
}

int main(int count, char **arguments)
{
    static const struct client_settings settings = {
        .endpoint = "fuzzed", .lifetime_s = 60, .telemetry_s = 20, .ack_timeout_ms = 2000};
    if (count != 3) {
        fprintf(stderr, "usage: fuzz SEED CASES\n");
        return 2;
    }
    state = strtoull(arguments[1], NULL, 10) * 0x9E3779B97F4A7C15u + 1;
    core_memory_start(NULL);
    training_memory_clear();
    core_memory_set_clock(now_ms);
    make_seeds();
    if (client_start(&settings) != OS_OK || sensor_start(1) != OS_OK) {
        return 2;
    }
    for (uint64_t left = strtoull(arguments[2], NULL, 10); left > 0; left--) {
        one_case();
    }
    if (!alive()) {
        fprintf(stderr, "the device does not answer any more\n");
        return 1;
    }
    printf("{\"requests\": %llu, \"resets\": %llu, \"success\": %llu, \"client_errors\": %llu, \"server_errors\": %llu}\n",
           (unsigned long long)requests, (unsigned long long)resets, (unsigned long long)answers[2],
           (unsigned long long)answers[4], (unsigned long long)answers[5]);
    return 0;
}
