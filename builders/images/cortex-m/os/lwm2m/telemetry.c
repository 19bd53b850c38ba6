/* Telemetry by Send, in SenML CBOR. */
#include "lwm2m/telemetry.h"

#include "core/clock.h"
#include "lwm2m/coap_endpoint.h"
#include "lwm2m/registration.h"
#include "lwm2m/render.h"
#include "lwm2m/snapshot.h"

#define BOARD_OBJECT 26241u
#define INFERENCE_OBJECT 26242u
#define MAX_OUTPUT_BYTES 256u /* a longer output is left to be read */

static const struct path measured[] = {
    {.level = 3, .ids = {BOARD_OBJECT, 0, 7}},  /* reset reason */
    {.level = 3, .ids = {BOARD_OBJECT, 0, 8}},  /* longest gap */
    {.level = 3, .ids = {BOARD_OBJECT, 0, 9}},  /* inference ticks */
    {.level = 3, .ids = {BOARD_OBJECT, 0, 10}}, /* free stack */
    {.level = 3, .ids = {BOARD_OBJECT, 0, 11}}, /* uptime */
    {.level = 3, .ids = {BOARD_OBJECT, 0, 12}}, /* inferences */
    {.level = 3, .ids = {INFERENCE_OBJECT, 0, 2}},
    {.level = 3, .ids = {INFERENCE_OBJECT, 0, 1}}, /* last: left out when it is long, or when there is none */
};
#define MEASURED (sizeof measured / sizeof measured[0])

static uint32_t interval;
static uint32_t sent_at;
static bool muted;

void telemetry_start(uint32_t interval_s)
{
    interval = interval_s;
    sent_at = clock_ms();
    muted = false;
}

bool telemetry_muted(void)
{
    return muted;
}

void telemetry_mute(bool wanted)
{
    muted = wanted;
}

static void done(enum coap_outcome outcome, const struct coap_message *response)
{
    (void)outcome; /* the next one is newer */
    (void)response;
}

static void send(void)
{
    static uint8_t payload[COAP_BLOCK_BYTES];
    struct window window = window_of(payload, 0, sizeof payload);
    snapshot_take(SNAPSHOT_REPORT, false);
    const struct snapshot *now = snapshot_last();
    bool with_output = now->has_result && now->result.length <= MAX_OUTPUT_BYTES;
    render_senml(&window, measured, with_output ? MEASURED : MEASURED - 1);
    if (window.total > window.length) {
        return;
    }
    struct coap_writer *writer = coap_request(COAP_SEND, LINK_SERVER, COAP_POST);
    coap_write_string(writer, COAP_OPTION_URI_PATH, "dp");
    coap_write_number(writer, COAP_OPTION_CONTENT_FORMAT, FORMAT_SENML_CBOR);
    coap_write_payload(writer, payload, window.length);
    (void)coap_send(COAP_SEND, done);
}

void telemetry_poll(void)
{
    bool due = interval > 0 && clock_ms() - sent_at >= interval * 1000u;
    if (due && !muted && registration_active() && !coap_busy(COAP_SEND)) {
        sent_at = clock_ms();
        send();
    }
}
