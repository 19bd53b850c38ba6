/* Observations: contents are compared by their checksum, so that no part of the device has to tell of its changes. */
#include "lwm2m/observe.h"

#include <string.h>

#include "core/clock.h"
#include "lwm2m/coap_endpoint.h"
#include "lwm2m/render.h"
#include "lwm2m/snapshot.h"

#define OBSERVATIONS 16u
#define ATTRIBUTE_SETS 16u
#define LOOK_MS 100u            /* between two looks at what is observed */
#define DEFAULT_PMIN_S 1u       /* what changes all the time is told once a second, unless a pmin says otherwise */
#define MAX_SECONDS 604800u     /* a week: of pmin and pmax */
#define SEQUENCE_MASK 0xFFFFFFu /* RFC 7641, section 4.4 */

struct observation {
    bool used;
    struct path path;
    uint8_t token[COAP_TOKEN_BYTES];
    uint32_t token_length;
    int32_t format;
    uint32_t checksum;
    uint32_t told_at;
};

struct attributes {
    bool used;
    struct path path;
    bool has_pmin, has_pmax;
    uint32_t pmin, pmax; /* seconds */
};

static struct observation observations[OBSERVATIONS];
static struct attributes attributes[ATTRIBUTE_SETS];
static struct observation *notified; /* whose notification is under way */
static uint32_t next_look;           /* index: each has its turn */
static uint32_t looked_at;
static uint32_t sequence;

void observe_clear(void)
{
    memset(observations, 0, sizeof observations);
    notified = 0;
    coap_cancel(COAP_NOTIFICATION);
}

static bool has_token(const struct observation *observation, const struct coap_message *request)
{
    return observation->token_length == request->token_length &&
           memcmp(observation->token, request->token, request->token_length) == 0;
}

static struct observation *find(const struct coap_message *request)
{
    for (uint32_t index = 0; index < OBSERVATIONS; index++) {
        if (observations[index].used && has_token(&observations[index], request)) {
            return &observations[index];
        }
    }
    return 0;
}

static void drop(struct observation *observation)
{
    observation->used = false;
    if (notified == observation) {
        notified = 0;
        coap_cancel(COAP_NOTIFICATION);
    }
}

static bool observable(const struct path *path)
{
    const struct object *object = path->level > 0 ? tree_object(path->ids[0]) : 0;
    const struct resource *resource = object != 0 && path->level > 2 ? tree_resource(object, path->ids[2]) : 0;
    return object != 0 && (resource == 0 || (resource->operations & RESOURCE_UNOBSERVED) == 0);
}

bool observe_begin(const struct path *path, const struct coap_message *request, int32_t format, uint32_t checksum)
{
    struct observation *place = find(request);
    for (uint32_t index = 0; place == 0 && index < OBSERVATIONS; index++) {
        if (!observations[index].used) {
            place = &observations[index];
        }
    }
    if (place == 0 || !observable(path)) {
        return false;
    }
    *place = (struct observation){
        .used = true,
        .path = *path,
        .token_length = request->token_length,
        .format = format,
        .checksum = checksum,
        .told_at = clock_ms(),
    };
    memcpy(place->token, request->token, request->token_length);
    return true;
}

void observe_end(const struct coap_message *request)
{
    struct observation *found = find(request);
    if (found != 0) {
        drop(found);
    }
}

static struct attributes *attributes_at(const struct path *path)
{
    for (uint32_t index = 0; index < ATTRIBUTE_SETS; index++) {
        if (attributes[index].used && path_equal(&attributes[index].path, path)) {
            return &attributes[index];
        }
    }
    return 0;
}

static bool named(const struct coap_text *query, const char *name, struct coap_text *value)
{
    uint32_t length = (uint32_t)strlen(name);
    if (query->length < length || memcmp(query->data, name, length) != 0) {
        return false;
    }
    if (query->length > length && query->data[length] != '=') {
        return false;
    }
    uint32_t skip = query->length > length ? length + 1 : length;
    *value = (struct coap_text){query->data + skip, query->length - skip};
    return true;
}

/* Whole seconds; a fraction is cut off. */
static bool seconds(const struct coap_text *text, uint32_t *result)
{
    uint32_t at = 0;
    *result = 0;
    while (at < text->length && text->data[at] >= '0' && text->data[at] <= '9') {
        *result = *result * 10 + (text->data[at++] - '0');
        if (*result > MAX_SECONDS) {
            return false;
        }
    }
    bool digits = at > 0;
    if (at < text->length && text->data[at] == '.') {
        at++;
        while (at < text->length && text->data[at] >= '0' && text->data[at] <= '9') {
            at++;
        }
    }
    return digits && at == text->length;
}

static bool set(struct attributes *to, const struct coap_text *query)
{
    struct coap_text value;
    if (named(query, "pmin", &value)) {
        to->has_pmin = value.length > 0;
        return value.length == 0 || seconds(&value, &to->pmin);
    }
    if (named(query, "pmax", &value)) {
        to->has_pmax = value.length > 0;
        return value.length == 0 || seconds(&value, &to->pmax);
    }
    return false;
}

enum coap_code observe_attributes(const struct path *path, const struct coap_text *query, uint32_t count)
{
    struct attributes *place = attributes_at(path);
    struct attributes changed = {.used = true, .path = *path};
    if (place != 0) {
        changed = *place;
    }
    for (uint32_t index = 0; index < count; index++) {
        if (!set(&changed, &query[index])) {
            return COAP_BAD_REQUEST;
        }
    }
    for (uint32_t index = 0; place == 0 && index < ATTRIBUTE_SETS; index++) {
        if (!attributes[index].used) {
            place = &attributes[index];
        }
    }
    if (place == 0) {
        return COAP_INTERNAL_ERROR;
    }
    changed.used = changed.has_pmin || changed.has_pmax;
    *place = changed;
    return COAP_CHANGED;
}

void observe_put_attributes(struct window *window, const struct path *path)
{
    const struct attributes *found = attributes_at(path);
    if (found != 0 && found->has_pmin) {
        window_put_string(window, ";pmin=");
        window_put_decimal(window, found->pmin);
    }
    if (found != 0 && found->has_pmax) {
        window_put_string(window, ";pmax=");
        window_put_decimal(window, found->pmax);
    }
}

/* Those in force at a path: of the object, the instance and the resource, the later the stronger. */
static struct attributes merged(const struct path *path)
{
    struct attributes result = {.used = true, .pmin = DEFAULT_PMIN_S};
    struct path prefix = *path;
    for (prefix.level = 1; prefix.level <= path->level; prefix.level++) {
        const struct attributes *level = attributes_at(&prefix);
        if (level != 0 && level->has_pmin) {
            result.pmin = level->pmin;
        }
        if (level != 0 && level->has_pmax) {
            result.has_pmax = true;
            result.pmax = level->pmax;
        }
    }
    result.has_pmax = result.has_pmax && result.pmax > 0 && result.pmax >= result.pmin;
    return result;
}

static void told(enum coap_outcome outcome, const struct coap_message *response)
{
    (void)response;
    if (notified != 0 && outcome != COAP_ANSWERED) {
        notified->used = false; /* rejected, or nobody there (RFC 7641, section 4.5) */
    }
    notified = 0;
}

static void notify(struct observation *observation)
{
    static uint8_t block[COAP_BLOCK_BYTES];
    struct window window = window_of(block, 0, sizeof block);
    render_path(&window, &observation->path, observation->format);
    sequence = (sequence + 1) & SEQUENCE_MASK;
    struct coap_writer *writer =
        coap_notification(observation->token, observation->token_length, COAP_CONTENT);
    bool whole = window.total <= window.length;
    if (!whole) {
        uint8_t etag[4] = {(uint8_t)(window.checksum >> 24), (uint8_t)(window.checksum >> 16),
                           (uint8_t)(window.checksum >> 8), (uint8_t)window.checksum};
        coap_write_option(writer, COAP_OPTION_ETAG, etag, sizeof etag);
    }
    coap_write_number(writer, COAP_OPTION_OBSERVE, sequence);
    coap_write_number(writer, COAP_OPTION_CONTENT_FORMAT, (uint32_t)observation->format);
    if (!whole) {
        snapshot_hand_over(); /* the rest is read by requests */
        struct coap_block first = {.present = true, .more = true, .exponent = COAP_BLOCK_EXPONENT};
        coap_write_block(writer, COAP_OPTION_BLOCK2, &first);
    }
    coap_write_payload(writer, block, window.length);
    observation->checksum = window.checksum;
    observation->told_at = clock_ms();
    notified = observation;
    if (!coap_send(COAP_NOTIFICATION, told)) {
        drop(observation);
    }
}

static bool due(const struct observation *observation)
{
    struct attributes rule = merged(&observation->path);
    uint32_t silent = (clock_ms() - observation->told_at) / 1000;
    if (silent < rule.pmin) {
        return false;
    }
    struct window window = window_of(0, 0, 0);
    render_path(&window, &observation->path, observation->format);
    return window.checksum != observation->checksum || (rule.has_pmax && silent >= rule.pmax);
}

void observe_poll(void)
{
    if (coap_busy(COAP_NOTIFICATION) || clock_ms() - looked_at < LOOK_MS) {
        return;
    }
    looked_at = clock_ms();
    snapshot_take(SNAPSHOT_REPORT, false);
    for (uint32_t turn = 0; turn < OBSERVATIONS; turn++) {
        struct observation *each = &observations[next_look];
        next_look = (next_look + 1) % OBSERVATIONS;
        if (each->used && due(each)) {
            notify(each);
            return;
        }
    }
}
