/* The message layer: one exchange of each kind, and a memory of what was answered lately. */
#include "lwm2m/coap_endpoint.h"

#include <string.h>

#include "core/clock.h"
#include "net/random.h"

#define MAX_RETRANSMIT 4u           /* RFC 7252, section 4.8 */
#define SEPARATE_TIMEOUTS 15u       /* times ACK_TIMEOUT: for a separate response to an acknowledged request */
#define EXCHANGE_LIFETIME_MS 247000u
#define TOKEN_BYTES 8u              /* of our own requests: what nobody guesses, nobody answers */
#define HEARD 8u                    /* messages that are remembered; a peer has one or two under way */
#define HEARD_OF_PACKAGES 1u        /* the last of them, so that such a host does not make the server's forgotten */

enum phase { PHASE_FREE, PHASE_WRITING, PHASE_UNACKNOWLEDGED, PHASE_ACKNOWLEDGED };

struct exchange {
    enum phase phase;
    enum link link;
    uint16_t id;
    uint8_t token[COAP_TOKEN_BYTES];
    uint32_t token_length;
    coap_answer answer;
    uint32_t transmissions;
    uint32_t sent_at;
    uint32_t wait_ms;
    struct coap_writer writer;
    uint8_t message[LINK_MESSAGE_BYTES];
};

struct heard {
    bool used;
    enum link link;
    uint16_t id;
    uint32_t at;
    uint32_t reply_length; /* 0: nothing is said to a repetition */
    uint8_t reply[LINK_MESSAGE_BYTES];
};

static struct exchange exchanges[COAP_EXCHANGES];
static struct heard memory[HEARD];
static coap_server serve;
static uint32_t ack_timeout;
static uint16_t next_id;

void coap_start(coap_server server, uint32_t ack_timeout_ms)
{
    serve = server;
    ack_timeout = ack_timeout_ms;
    next_id = (uint16_t)random_below(UINT16_MAX);
    memset(exchanges, 0, sizeof exchanges);
    memset(memory, 0, sizeof memory);
}

void coap_forget(enum link link)
{
    for (uint32_t index = 0; index < COAP_EXCHANGES; index++) {
        if (exchanges[index].link == link) {
            exchanges[index].phase = PHASE_FREE;
        }
    }
    for (uint32_t index = 0; index < HEARD; index++) {
        if (memory[index].link == link) {
            memory[index].used = false;
        }
    }
}

static struct heard *recall(enum link link, uint16_t id)
{
    for (uint32_t index = 0; index < HEARD; index++) {
        struct heard *each = &memory[index];
        if (each->used && each->link == link && each->id == id && clock_ms() - each->at < EXCHANGE_LIFETIME_MS) {
            return each;
        }
    }
    return 0;
}

static struct heard *remember(enum link link, uint16_t id)
{
    uint32_t own = HEARD - HEARD_OF_PACKAGES;
    uint32_t begin = link == LINK_SERVER ? 0 : own, end = link == LINK_SERVER ? own : HEARD;
    struct heard *oldest = &memory[begin];
    for (uint32_t index = begin; index < end && oldest->used; index++) {
        struct heard *each = &memory[index];
        if (!each->used || clock_ms() - each->at > clock_ms() - oldest->at) {
            oldest = each;
        }
    }
    oldest->used = true;
    oldest->link = link;
    oldest->id = id;
    oldest->at = clock_ms();
    oldest->reply_length = 0;
    return oldest;
}

static void send_empty(enum link link, enum coap_type type, uint16_t id)
{
    uint8_t bytes[4];
    struct coap_writer writer = {.data = bytes, .capacity = sizeof bytes};
    coap_write_header(&writer, type, COAP_EMPTY, id, 0, 0);
    (void)link_send(link, bytes, writer.length); /* lost like any datagram: the peer repeats */
}

static bool is_request(uint8_t code)
{
    return code >> 5 == 0 && code != COAP_EMPTY;
}

static bool is_response(uint8_t code)
{
    return code >> 5 == 2 || code >> 5 == 4 || code >> 5 == 5;
}

static void write_reply(struct coap_writer *writer, const struct coap_reply *reply)
{
    if (reply->etag_length > 0) {
        coap_write_option(writer, COAP_OPTION_ETAG, reply->etag, reply->etag_length);
    }
    if (reply->observe != COAP_ABSENT) {
        coap_write_number(writer, COAP_OPTION_OBSERVE, (uint32_t)reply->observe);
    }
    if (reply->content_format != COAP_ABSENT) {
        coap_write_number(writer, COAP_OPTION_CONTENT_FORMAT, (uint32_t)reply->content_format);
    }
    if (reply->block2.present) {
        coap_write_block(writer, COAP_OPTION_BLOCK2, &reply->block2);
    }
    if (reply->block1.present) {
        coap_write_block(writer, COAP_OPTION_BLOCK1, &reply->block1);
    }
    if (reply->size2 != COAP_ABSENT) {
        coap_write_number(writer, COAP_OPTION_SIZE2, (uint32_t)reply->size2);
    }
    if (reply->size1 != COAP_ABSENT) {
        coap_write_number(writer, COAP_OPTION_SIZE1, (uint32_t)reply->size1);
    }
    coap_write_payload(writer, reply->payload, reply->payload_length);
}

static void answer_request(enum link link, const struct coap_message *request, bool understood)
{
    static uint8_t payload[COAP_BLOCK_BYTES];
    struct coap_reply reply = {
        .code = COAP_BAD_OPTION,
        .content_format = COAP_ABSENT,
        .observe = COAP_ABSENT,
        .size1 = COAP_ABSENT,
        .size2 = COAP_ABSENT,
        .payload = payload,
    };
    struct heard *heard = remember(link, request->id);
    bool confirmable = request->type == COAP_CON;
    if (understood) {
        serve(link, request, &reply);
    } else if (!confirmable) {
        return; /* RFC 7252, section 5.4.1 */
    }
    uint16_t id = confirmable ? request->id : next_id++;
    struct coap_writer writer = {.data = heard->reply, .capacity = sizeof heard->reply};
    coap_write_header(&writer, confirmable ? COAP_ACK : COAP_NON, reply.code, id, request->token,
                      request->token_length);
    write_reply(&writer, &reply);
    if (writer.failed) { /* the buffer has room for a block and every option: a defect, but one that is answered */
        coap_write_header(&writer, confirmable ? COAP_ACK : COAP_NON, COAP_INTERNAL_ERROR, id, request->token,
                          request->token_length);
    }
    (void)link_send(link, heard->reply, writer.length);
    heard->reply_length = confirmable ? writer.length : 0;
}

static void finish(struct exchange *exchange, enum coap_outcome outcome, const struct coap_message *response)
{
    exchange->phase = PHASE_FREE; /* first: the answer may begin the next one */
    exchange->answer(outcome, response);
}

static struct exchange *find_id(enum link link, uint16_t id)
{
    for (uint32_t index = 0; index < COAP_EXCHANGES; index++) {
        struct exchange *each = &exchanges[index];
        if (each->phase == PHASE_UNACKNOWLEDGED && each->link == link && each->id == id) {
            return each;
        }
    }
    return 0;
}

static bool same_token(const struct exchange *exchange, const struct coap_message *message)
{
    return exchange->token_length == message->token_length &&
           memcmp(exchange->token, message->token, message->token_length) == 0;
}

/* A request of ours that waits for a response under this token. */
static struct exchange *find_token(enum link link, const struct coap_message *message)
{
    for (uint32_t index = 0; index < COAP_NOTIFICATION; index++) {
        struct exchange *each = &exchanges[index];
        if (each->phase >= PHASE_UNACKNOWLEDGED && each->link == link && same_token(each, message)) {
            return each;
        }
    }
    return 0;
}

static void take_acknowledgement(enum link link, const struct coap_message *message, bool understood)
{
    struct exchange *exchange = find_id(link, message->id);
    if (exchange == 0) {
        return;
    }
    if (message->code == COAP_EMPTY) {
        if (exchange == &exchanges[COAP_NOTIFICATION]) {
            finish(exchange, COAP_ANSWERED, 0);
        } else {
            exchange->phase = PHASE_ACKNOWLEDGED;
            exchange->sent_at = clock_ms();
            exchange->wait_ms = SEPARATE_TIMEOUTS * ack_timeout;
        }
    } else if (is_response(message->code) && same_token(exchange, message) &&
               exchange != &exchanges[COAP_NOTIFICATION]) {
        if (understood) {
            finish(exchange, COAP_ANSWERED, message);
        } else {
            finish(exchange, COAP_REJECTED, 0); /* RFC 7252, section 5.4.1: as if it had not come */
        }
    }
}

static void take_separate_response(enum link link, const struct coap_message *message)
{
    struct exchange *exchange = find_token(link, message);
    if (exchange == 0) {
        if (message->type == COAP_CON) {
            send_empty(link, COAP_RST, message->id);
        }
        return;
    }
    struct heard *heard = remember(link, message->id);
    if (message->type == COAP_CON) {
        struct coap_writer writer = {.data = heard->reply, .capacity = sizeof heard->reply};
        coap_write_header(&writer, COAP_ACK, COAP_EMPTY, message->id, 0, 0);
        (void)link_send(link, heard->reply, writer.length);
        heard->reply_length = writer.length;
    }
    finish(exchange, COAP_ANSWERED, message);
}

void coap_receive(enum link link, const uint8_t *data, uint32_t length)
{
    struct coap_message message;
    enum coap_verdict verdict = coap_parse(data, length, &message);
    if (verdict != COAP_MALFORMED && message.type == COAP_RST) {
        struct exchange *exchange = find_id(link, message.id);
        if (exchange != 0 && message.code == COAP_EMPTY) {
            finish(exchange, COAP_REJECTED, 0);
        }
        return;
    }
    if (verdict != COAP_MALFORMED && message.type == COAP_ACK) {
        take_acknowledgement(link, &message, verdict == COAP_GOOD);
        return;
    }
    if (verdict != COAP_MALFORMED && (is_request(message.code) || is_response(message.code))) {
        struct heard *heard = recall(link, message.id);
        if (heard != 0) {
            if (message.type == COAP_CON && heard->reply_length > 0) {
                (void)link_send(link, heard->reply, heard->reply_length);
            }
            return;
        }
        if (is_request(message.code)) {
            answer_request(link, &message, verdict == COAP_GOOD);
            return;
        }
        if (verdict == COAP_GOOD) {
            take_separate_response(link, &message);
            return;
        }
    }
    /* Malformed, a ping, a reserved class, or a response that is not understood (RFC 7252, sections 4.2 and 4.3). */
    if (message.type == COAP_CON) {
        send_empty(link, COAP_RST, message.id);
    }
}

static void transmit(struct exchange *exchange)
{
    exchange->sent_at = clock_ms();
    exchange->transmissions++;
    (void)link_send(exchange->link, exchange->message, exchange->writer.length);
}

void coap_poll(void)
{
    for (uint32_t index = 0; index < COAP_EXCHANGES; index++) {
        struct exchange *each = &exchanges[index];
        if (each->phase < PHASE_UNACKNOWLEDGED || clock_ms() - each->sent_at < each->wait_ms) {
            continue;
        }
        if (each->phase == PHASE_ACKNOWLEDGED || each->transmissions > MAX_RETRANSMIT) {
            finish(each, COAP_TIMED_OUT, 0);
        } else {
            each->wait_ms *= 2;
            transmit(each);
        }
    }
}

bool coap_busy(enum coap_exchange exchange)
{
    return exchanges[exchange].phase != PHASE_FREE;
}

static struct coap_writer *begin(struct exchange *exchange, enum link link, uint8_t code)
{
    exchange->phase = PHASE_WRITING;
    exchange->link = link;
    exchange->id = next_id++;
    exchange->writer.data = exchange->message;
    exchange->writer.capacity = sizeof exchange->message;
    coap_write_header(&exchange->writer, COAP_CON, code, exchange->id, exchange->token, exchange->token_length);
    return &exchange->writer;
}

struct coap_writer *coap_request(enum coap_exchange exchange, enum link link, enum coap_code method)
{
    struct exchange *found = &exchanges[exchange];
    found->token_length = TOKEN_BYTES;
    (void)random_bytes(found->token, TOKEN_BYTES); /* it started, or the client would not have */
    return begin(found, link, (uint8_t)method);
}

struct coap_writer *coap_notification(const uint8_t *token, uint32_t token_length, enum coap_code code)
{
    struct exchange *found = &exchanges[COAP_NOTIFICATION];
    found->token_length = token_length;
    memcpy(found->token, token, token_length);
    return begin(found, LINK_SERVER, (uint8_t)code);
}

bool coap_send(enum coap_exchange exchange, coap_answer answer)
{
    struct exchange *found = &exchanges[exchange];
    if (found->writer.failed) {
        found->phase = PHASE_FREE;
        return false;
    }
    found->phase = PHASE_UNACKNOWLEDGED;
    found->answer = answer;
    found->transmissions = 0;
    found->wait_ms = ack_timeout + random_below(ack_timeout / 2 + 1);
    transmit(found);
    return true;
}

void coap_cancel(enum coap_exchange exchange)
{
    exchanges[exchange].phase = PHASE_FREE;
}
