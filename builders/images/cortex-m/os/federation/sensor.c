/* One resource: POST /sample, with what is written to /26243/0/2. A sample is one datagram. */
#include "federation/sensor.h"

#include <string.h>

#include "core/clock.h"
#include "federation/sample.h"
#include "lwm2m/coap_message.h"
#include "lwm2m/refusal.h"
#include "lwm2m/render.h"
#include "net/link.h"
#include "port/datagram.h"

#define PATH "sample"
#define REPLY_BYTES 160u /* a header, a token and a sentence */
#define HEARD 8u         /* messages that are remembered: a repetition is not another sample */
#define EXCHANGE_LIFETIME_MS 247000u /* RFC 7252, section 4.8.2 */
#define DATAGRAMS_A_TURN 4u

struct heard {
    struct udp_address from;
    uint16_t id;
    uint32_t at, length; /* length 0: unused */
    uint8_t reply[REPLY_BYTES];
};

static bool listening;
static struct heard memory[HEARD];
static uint32_t next_place;
static uint16_t next_id;

enum os_status sensor_start(uint16_t port)
{
    memset(memory, 0, sizeof memory);
    listening = port != 0 && datagram_listen(port) == OS_OK;
    return port == 0 || listening ? OS_OK : OS_IO;
}

static struct heard *recall(const struct udp_address *from, uint16_t id)
{
    for (uint32_t index = 0; index < HEARD; index++) {
        struct heard *each = &memory[index];
        if (each->length > 0 && each->id == id && each->from.ip == from->ip && each->from.port == from->port &&
            clock_ms() - each->at < EXCHANGE_LIFETIME_MS) {
            return each;
        }
    }
    return 0;
}

static bool asks_for_sample(const struct coap_message *request)
{
    const struct coap_text *path = &request->path[0];
    return request->path_count == 1 && path->length == strlen(PATH) && memcmp(path->data, PATH, path->length) == 0;
}

static enum coap_code serve(const struct coap_message *request)
{
    if (!asks_for_sample(request)) {
        return refuse(COAP_NOT_FOUND, "there is only /" PATH);
    }
    if (request->code != COAP_POST) {
        return refuse(COAP_METHOD_NOT_ALLOWED, "a sample is posted");
    }
    if (request->block1.present && (request->block1.more || request->block1.number > 0)) {
        return refuse(COAP_TOO_LARGE, "a sample is one datagram here: a larger one goes to /26243/0/2");
    }
    if (request->content_format != COAP_ABSENT && request->content_format != FORMAT_OPAQUE) {
        return refuse(COAP_UNSUPPORTED_FORMAT, "a sample is opaque: content format 42");
    }
    return sample_take(request->payload.data, request->payload.length, false);
}

static void answer(struct heard *place, const struct coap_message *request, enum coap_code code)
{
    bool confirmable = request->type == COAP_CON;
    const char *why = refusal_take();
    struct coap_writer writer = {.data = place->reply, .capacity = sizeof place->reply};
    coap_write_header(&writer, confirmable ? COAP_ACK : COAP_NON, (uint8_t)code, confirmable ? request->id : next_id++,
                      request->token, request->token_length);
    if (code != COAP_CHANGED && why != 0) {
        coap_write_payload(&writer, why, (uint32_t)strlen(why));
    }
    place->length = writer.failed ? 0 : writer.length;
}

static void take(const struct udp_address *from, const uint8_t *data, uint32_t length)
{
    struct coap_message request;
    enum coap_verdict verdict = coap_parse(data, length, &request);
    bool is_request = verdict != COAP_MALFORMED && request.type <= COAP_NON && request.code != COAP_EMPTY &&
                      request.code >> 5 == 0;
    if (!is_request) {
        return; /* nobody here has asked anything, and who pings is told nothing */
    }
    struct heard *place = recall(from, request.id);
    if (place == 0) {
        place = &memory[next_place];
        next_place = (next_place + 1) % HEARD;
        *place = (struct heard){.from = *from, .id = request.id, .at = clock_ms()};
        answer(place, &request, verdict == COAP_GOOD ? serve(&request) : COAP_BAD_OPTION);
    }
    (void)datagram_reply(from, place->reply, place->length); /* lost like any datagram: the sensor repeats */
}

void sensor_poll(void)
{
    static uint8_t datagram[LINK_DATAGRAM_BYTES];
    struct udp_address from;
    for (uint32_t turn = 0; listening && turn < DATAGRAMS_A_TURN; turn++) {
        uint32_t length = datagram_heard(&from, datagram, sizeof datagram);
        if (length == 0) {
            return;
        }
        take(&from, datagram, length);
    }
}
