/* Read, Discover, Write, Write-Attributes, Execute, Observe and Read-Composite. */
#include "lwm2m/service.h"

#include "lwm2m/decode.h"
#include "lwm2m/intake.h"
#include "lwm2m/observe.h"
#include "lwm2m/refusal.h"
#include "lwm2m/render.h"
#include "lwm2m/snapshot.h"

#define SECURITY_OBJECT 0u
#define COMPOSITE_PATHS 16u
#define OBSERVE_BEGIN 0
#define OBSERVE_END 1

static void put_checksum(struct coap_reply *reply, uint32_t checksum)
{
    reply->etag_length = sizeof checksum;
    for (uint32_t index = 0; index < sizeof checksum; index++) {
        reply->etag[index] = (uint8_t)(checksum >> (8 * (sizeof checksum - 1 - index)));
    }
}

/* The part of a text that a request asks for, before it is rendered. */
static struct window part(const struct coap_message *request, struct coap_reply *reply)
{
    const struct coap_block *block = &request->block2;
    uint32_t size = block->present ? coap_block_size(block) : COAP_BLOCK_BYTES;
    return window_of(reply->payload, block->number * size, size);
}

/* The rendered part as an answer. */
static void answer_part(const struct coap_message *request, struct coap_reply *reply, const struct window *window,
                        int32_t format)
{
    if (window->start > 0 && window->start >= window->total) {
        reply->code = COAP_BAD_REQUEST;
        return;
    }
    reply->code = COAP_CONTENT;
    reply->content_format = format;
    reply->payload_length = window->length;
    bool more = window->start + window->length < window->total;
    if (more || request->block2.number > 0) {
        reply->block2 = (struct coap_block){
            .present = true,
            .more = more,
            .exponent = request->block2.present ? request->block2.exponent : COAP_BLOCK_EXPONENT,
            .number = request->block2.number,
        };
        put_checksum(reply, window->checksum);
        if (request->block2.number == 0) {
            reply->size2 = window->total;
        }
    }
}

static void put_link(struct window *window, const struct path *path)
{
    window_put_string(window, window->total == 0 ? "<" : ",<");
    path_put(window, path);
    window_put_byte(window, '>');
    const struct object *object = tree_object(path->ids[0]);
    if (path->level == 1 && object->version != 0) {
        window_put_string(window, ";ver=");
        window_put_string(window, object->version);
    }
    const struct resource *resource = path->level == 3 ? tree_resource(object, path->ids[2]) : 0;
    if (resource != 0 && (resource->operations & RESOURCE_MULTIPLE) != 0) {
        uint32_t count = 0;
        struct value value;
        while (tree_read(path, count, &value)) {
            count++;
        }
        window_put_string(window, ";dim=");
        window_put_decimal(window, count);
    }
    observe_put_attributes(window, path);
}

static void put_links_of_instance(struct window *window, const struct path *path, const struct object *object)
{
    put_link(window, path);
    for (uint32_t index = 0; index < object->resource_count; index++) {
        struct path below = path_below(path, object->resources[index].id);
        put_link(window, &below);
    }
}

static void discover(const struct path *path, const struct coap_message *request, struct coap_reply *reply)
{
    struct window window = part(request, reply);
    const struct object *object = tree_object(path->ids[0]);
    if (path->level == 1) {
        put_link(&window, path);
        for (uint16_t instance = 0; instance < object->instances; instance++) {
            struct path below = path_below(path, instance);
            put_links_of_instance(&window, &below, object);
        }
    } else if (path->level == 2) {
        put_links_of_instance(&window, path, object);
    } else {
        put_link(&window, path);
    }
    answer_part(request, reply, &window, FORMAT_LINK);
}

static bool readable(const struct path *path)
{
    const struct object *object = tree_object(path->ids[0]);
    const struct resource *resource = path->level >= 3 ? tree_resource(object, path->ids[2]) : 0;
    return resource == 0 || (resource->operations & RESOURCE_R) != 0;
}

static void read(const struct path *path, const struct coap_message *request, struct coap_reply *reply)
{
    int32_t format = render_format(path, request->accept);
    if (path->level == 0 || !readable(path)) {
        reply->code = COAP_METHOD_NOT_ALLOWED;
        return;
    }
    if (format == COAP_ABSENT) {
        reply->code = COAP_NOT_ACCEPTABLE;
        return;
    }
    struct window window = part(request, reply);
    render_path(&window, path, format);
    answer_part(request, reply, &window, format);
    if (reply->code != COAP_CONTENT || request->block2.number > 0) {
        return;
    }
    if (request->observe == OBSERVE_BEGIN && observe_begin(path, request, format, window.checksum)) {
        reply->observe = 0;
    } else if (request->observe == OBSERVE_END) {
        observe_end(request);
    }
}

static void read_composite(const struct coap_message *request, struct coap_reply *reply)
{
    struct path paths[COMPOSITE_PATHS];
    uint32_t count;
    if (request->content_format != FORMAT_SENML_CBOR) {
        reply->code = COAP_UNSUPPORTED_FORMAT;
        return;
    }
    if (request->accept != COAP_ABSENT && request->accept != FORMAT_SENML_CBOR) {
        reply->code = COAP_NOT_ACCEPTABLE;
        return;
    }
    enum coap_code code = decode_paths(&request->payload, paths, COMPOSITE_PATHS, &count);
    if (code != COAP_CHANGED || request->block1.present) {
        reply->code = COAP_BAD_REQUEST;
        return;
    }
    struct window window = part(request, reply);
    render_senml(&window, paths, count);
    answer_part(request, reply, &window, FORMAT_SENML_CBOR);
}

/* All of it or nothing: first every value is looked at, then every value is written. */
static enum coap_code apply(const struct written *written, uint32_t count)
{
    enum coap_code code = COAP_CHANGED;
    for (uint32_t pass = 0; pass < 2; pass++) {
        for (uint32_t index = 0; index < count && code == COAP_CHANGED; index++) {
            const struct path *path = &written[index].path;
            const struct object *object = tree_object(path->ids[0]);
            code = object->write != 0 ? object->write(path->ids[1], path->ids[2], &written[index].value, pass == 0)
                                      : COAP_METHOD_NOT_ALLOWED;
        }
    }
    return code;
}

static bool is_executable(const struct path *path)
{
    const struct object *object = tree_object(path->ids[0]);
    const struct resource *resource = path->level == 3 ? tree_resource(object, path->ids[2]) : 0;
    return resource != 0 && (resource->operations & RESOURCE_E) != 0;
}

static bool is_writable(const struct path *path)
{
    const struct object *object = tree_object(path->ids[0]);
    const struct resource *resource = path->level >= 3 ? tree_resource(object, path->ids[2]) : 0;
    return path->level == 2 || (resource != 0 && (resource->operations & RESOURCE_W) != 0);
}

static void write(const struct path *path, const struct coap_message *request, struct coap_reply *reply)
{
    struct written written[OBJECT_WRITES];
    struct coap_text content;
    uint32_t count;
    if (!is_writable(path)) {
        reply->code = COAP_METHOD_NOT_ALLOWED;
        return;
    }
    if (intake_take(path, request, reply, &content) == INTAKE_ANSWERED) {
        return;
    }
    enum coap_code code = decode_write(path, request->content_format, &content, written, &count);
    reply->code = (uint8_t)(code == COAP_CHANGED ? apply(written, count) : code);
}

static void put(const struct path *path, const struct coap_message *request, struct coap_reply *reply)
{
    bool attributes = request->payload.length == 0 && request->query_count > 0 && !request->block1.present;
    if (attributes && path->level > 0) {
        reply->code = (uint8_t)observe_attributes(path, request->query, request->query_count);
    } else {
        write(path, request, reply);
    }
}

static void post(const struct path *path, const struct coap_message *request, struct coap_reply *reply)
{
    if (is_executable(path) && !request->block1.present) {
        const struct object *object = tree_object(path->ids[0]);
        reply->code = (uint8_t)object->execute(path->ids[1], path->ids[2], &request->payload);
    } else {
        write(path, request, reply);
    }
}

static void answer(enum link link, const struct coap_message *request, struct coap_reply *reply)
{
    struct path path;
    if (link != LINK_SERVER) {
        reply->code = COAP_UNAUTHORIZED; /* a host of packages has no say */
        return;
    }
    snapshot_take(SNAPSHOT_REQUEST, request->block2.number > 0);
    if (!path_of_segments(request->path, request->path_count, &path)) {
        reply->code = COAP_NOT_FOUND;
        return;
    }
    if (path.level > 0 && path.ids[0] == SECURITY_OBJECT) {
        reply->code = COAP_UNAUTHORIZED;
        return;
    }
    if (!tree_has(&path)) {
        reply->code = COAP_NOT_FOUND;
        return;
    }
    switch (request->code) {
    case COAP_GET:
        if (request->accept == FORMAT_LINK && path.level > 0 && path.level < 4) {
            discover(&path, request, reply);
        } else {
            read(&path, request, reply);
        }
        break;
    case COAP_PUT:
        put(&path, request, reply);
        break;
    case COAP_POST:
        post(&path, request, reply);
        break;
    case COAP_FETCH:
        if (path.level == 0) {
            read_composite(request, reply);
            break;
        }
        reply->code = COAP_METHOD_NOT_ALLOWED;
        break;
    default:
        reply->code = COAP_METHOD_NOT_ALLOWED; /* instances are neither created nor deleted */
    }
}

/* RFC 7252, section 5.5.2: an error may carry a sentence. */
static void explain(struct coap_reply *reply)
{
    const char *why = refusal_take();
    if (why != 0 && reply->code >= COAP_BAD_REQUEST) {
        struct window window = window_of(reply->payload, 0, COAP_BLOCK_BYTES);
        window_put_string(&window, why);
        reply->payload_length = window.length;
        reply->content_format = COAP_ABSENT;
    }
}

void service_answer(enum link link, const struct coap_message *request, struct coap_reply *reply)
{
    answer(link, request, reply);
    explain(reply);
}
