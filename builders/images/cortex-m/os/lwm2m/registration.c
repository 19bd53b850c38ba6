/* The registration: a small machine that the loop turns; every failure ends in a wait that grows. */
#include "lwm2m/registration.h"

#include <string.h>

#include "core/clock.h"
#include "lwm2m/coap_endpoint.h"
#include "lwm2m/observe.h"
#include "lwm2m/render.h"
#include "lwm2m/tree.h"
#include "net/link.h"
#include "net/random.h"

#define BACKOFF_BASE_MS 1000u
#define BACKOFF_CAP_MS 60000u
#define BACKOFF_DOUBLINGS 6u
#define MAX_UPDATE_INTERVAL_MS 200000u /* a NAT forgets a mapping that is silent for 240 s */
#define HANDSHAKE_MS 60000u
#define LOCATION_BYTES 64u
#define LINKS_BYTES 512u
#define QUERY_BYTES (REGISTRATION_ENDPOINT_BYTES + 16u)

enum phase { PHASE_WAITING, PHASE_CONNECTING, PHASE_REGISTERING, PHASE_REGISTERED, PHASE_UPDATING };

static enum phase phase;
static char endpoint[REGISTRATION_ENDPOINT_BYTES + 1];
static uint32_t lifetime;
static uint32_t failures;
static uint32_t since;   /* when the phase began; of PHASE_REGISTERED: the last answer of the server */
static uint32_t wait_ms; /* of PHASE_WAITING */
static uint32_t moves;   /* of the own address, when the connection was made */
static bool update_wanted;
static bool lifetime_changed;
static uint8_t location[LOCATION_BYTES]; /* the segments, each after its length */
static uint32_t location_length;

static void enter(enum phase next)
{
    phase = next;
    since = clock_ms();
}

static void wait_and_try_again(void)
{
    uint32_t doublings = failures < BACKOFF_DOUBLINGS ? failures : BACKOFF_DOUBLINGS;
    uint32_t limit = BACKOFF_BASE_MS << doublings;
    wait_ms = random_below(limit < BACKOFF_CAP_MS ? limit : BACKOFF_CAP_MS) + 1; /* full jitter */
    failures++;
    enter(PHASE_WAITING);
}

static void connect(void)
{
    coap_forget(LINK_SERVER);
    observe_clear();
    moves = link_moves();
    link_connect();
    enter(PHASE_CONNECTING);
}

static bool keep_location(const struct coap_message *response)
{
    location_length = 0;
    for (uint32_t index = 0; index < response->location_count; index++) {
        const struct coap_text *segment = &response->location[index];
        if (segment->length + 1 > LOCATION_BYTES - location_length) {
            return false;
        }
        location[location_length++] = (uint8_t)segment->length;
        memcpy(location + location_length, segment->data, segment->length);
        location_length += segment->length;
    }
    return location_length > 0;
}

static void registered(enum coap_outcome outcome, const struct coap_message *response)
{
    if (outcome != COAP_ANSWERED || response->code != COAP_CREATED || !keep_location(response)) {
        wait_and_try_again();
        return;
    }
    failures = 0;
    enter(PHASE_REGISTERED);
    os_confirm_registered();
}

static void put_query(struct coap_writer *writer, const char *name, const char *value)
{
    uint8_t text[QUERY_BYTES];
    struct window window = window_of(text, 0, sizeof text);
    window_put_string(&window, name);
    window_put_string(&window, value);
    coap_write_option(writer, COAP_OPTION_URI_QUERY, text, window.length);
}

static void put_lifetime(struct coap_writer *writer)
{
    uint8_t text[QUERY_BYTES];
    struct window window = window_of(text, 0, sizeof text);
    window_put_string(&window, "lt=");
    window_put_decimal(&window, lifetime);
    coap_write_option(writer, COAP_OPTION_URI_QUERY, text, window.length);
}

static void send_register(void)
{
    static uint8_t links[LINKS_BYTES];
    /* A new registration ends the observations of the one before; the server may observe before we hear its answer. */
    observe_clear();
    struct window window = window_of(links, 0, sizeof links);
    tree_put_links(&window);
    struct coap_writer *writer = coap_request(COAP_REGISTRATION, LINK_SERVER, COAP_POST);
    coap_write_string(writer, COAP_OPTION_URI_PATH, "rd");
    coap_write_number(writer, COAP_OPTION_CONTENT_FORMAT, FORMAT_LINK);
    put_query(writer, "ep=", endpoint);
    put_lifetime(writer);
    put_query(writer, "lwm2m=", "1.1");
    put_query(writer, "b=", "U");
    coap_write_payload(writer, links, window.length);
    update_wanted = false; /* a lifetime that is written before the answer comes is not in what was sent */
    lifetime_changed = false;
    enter(PHASE_REGISTERING);
    if (!coap_send(COAP_REGISTRATION, registered)) {
        wait_and_try_again();
    }
}

static void updated(enum coap_outcome outcome, const struct coap_message *response)
{
    if (outcome == COAP_ANSWERED && response->code == COAP_CHANGED) {
        enter(PHASE_REGISTERED);
    } else if (outcome == COAP_ANSWERED && response->code >> 5 == 4) {
        send_register(); /* 4.04: the server has forgotten us */
    } else {
        failures = 0;
        connect(); /* silence: the session, the mapping or the server is gone */
    }
}

static void send_update(void)
{
    struct coap_writer *writer = coap_request(COAP_REGISTRATION, LINK_SERVER, COAP_POST);
    for (uint32_t at = 0; at < location_length; at += 1u + location[at]) {
        coap_write_option(writer, COAP_OPTION_URI_PATH, location + at + 1, location[at]);
    }
    if (lifetime_changed) {
        put_lifetime(writer);
    }
    update_wanted = false;
    lifetime_changed = false;
    enter(PHASE_UPDATING);
    if (!coap_send(COAP_REGISTRATION, updated)) {
        connect();
    }
}

static uint32_t update_interval_ms(void)
{
    /* A third, so that one lost Update does not matter. */
    return lifetime < 3 * MAX_UPDATE_INTERVAL_MS / 1000 ? lifetime * 1000 / 3 : MAX_UPDATE_INTERVAL_MS;
}

void registration_start(const char *name, uint32_t lifetime_s)
{
    strncpy(endpoint, name, sizeof endpoint - 1);
    lifetime = lifetime_s;
    failures = 0;
    wait_ms = 0;
    enter(PHASE_WAITING);
}

void registration_poll(void)
{
    bool lost = link_state() == LINK_DOWN || link_moves() != moves;
    switch (phase) {
    case PHASE_WAITING:
        if (clock_ms() - since >= wait_ms && datagram_up()) {
            connect();
        }
        return;
    case PHASE_CONNECTING:
        if (link_state() == LINK_UP) {
            send_register();
        } else if (link_state() == LINK_DOWN || clock_ms() - since >= HANDSHAKE_MS) {
            wait_and_try_again();
        }
        return;
    default:
        break;
    }
    if (lost) {
        coap_cancel(COAP_REGISTRATION);
        wait_and_try_again();
    } else if (phase == PHASE_REGISTERED && (update_wanted || clock_ms() - since >= update_interval_ms())) {
        send_update();
    }
}

bool registration_active(void)
{
    return phase == PHASE_REGISTERED || phase == PHASE_UPDATING;
}

const char *registration_endpoint(void)
{
    return endpoint;
}

uint32_t registration_lifetime(void)
{
    return lifetime;
}

void registration_set_lifetime(uint32_t lifetime_s)
{
    lifetime = lifetime_s;
    lifetime_changed = true;
    update_wanted = true;
}

void registration_update_now(void)
{
    update_wanted = true;
}
