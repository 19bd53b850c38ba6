/* A package and one other write that take several blocks: the next first block of either kind replaces its own. */
#include "lwm2m/intake.h"

#include <string.h>

#include "core/clock.h"
#include "core/update.h"
#include "lwm2m/download.h"
#include "lwm2m/package.h"
#include "lwm2m/refusal.h"
#include "lwm2m/render.h"

#define WRITE_BYTES 32768u /* the largest write but a package: an input of a model */
#define STALL_MS 120000u

enum kind { PACKAGE, OTHER, KINDS };

static struct transfer {
    bool active;
    enum update_target target;
    struct path path;
    uint8_t method;
    int32_t format;
    uint32_t received;
    uint32_t heard_at;
} transfers[KINDS];
static struct transfer *transfer = &transfers[PACKAGE]; /* the one that a message is for */

static uint8_t buffer[WRITE_BYTES];

static bool is_package(void)
{
    return transfer == &transfers[PACKAGE];
}

static enum intake_result answer(struct coap_reply *reply, enum coap_code code)
{
    reply->code = (uint8_t)code;
    return INTAKE_ANSWERED;
}

void intake_stop(enum update_target target)
{
    if (transfers[PACKAGE].target == target) {
        transfers[PACKAGE].active = false;
    }
}

static void forget(enum package_failure failure)
{
    if (transfer->active && is_package() && update_state_of(transfer->target) == UPDATE_RECEIVING) {
        package_fail(transfer->target, failure);
    }
    transfer->active = false;
}

/* A single zero byte written to /5/0/0 resets the machine (Core 1.1.1, appendix E.6). */
static bool is_reset(const struct coap_message *request)
{
    return transfer->target == UPDATE_FIRMWARE && !request->block1.more && request->payload.length == 1 &&
           request->payload.data[0] == 0;
}

static enum coap_code begin_package(const struct coap_message *request)
{
    if (request->content_format != FORMAT_OPAQUE && request->content_format != COAP_ABSENT) {
        return refuse(COAP_UNSUPPORTED_FORMAT, "a package is opaque: content format 42");
    }
    if (is_reset(request)) {
        return update_state_of(transfer->target) == UPDATE_INSTALLING ? COAP_METHOD_NOT_ALLOWED : COAP_CHANGED;
    }
    enum coap_code code = package_admit(transfer->target);
    if (code != COAP_CHANGED) {
        return code;
    }
    if (request->size1 > (int64_t)update_limit(transfer->target)) {
        return package_refusal(transfer->target, OS_TOO_LARGE);
    }
    uint32_t size = request->size1 >= 0 ? (uint32_t)request->size1 : request->block1.more ? 0 : request->payload.length;
    int status = update_begin(transfer->target, size, 0, 0);
    return status == OS_OK ? COAP_CHANGED : package_refusal(transfer->target, status);
}

static enum coap_code begin(const struct path *path, const struct coap_message *request)
{
    forget(PACKAGE_CONNECTION_LOST);
    transfer->path = *path;
    transfer->method = request->code;
    transfer->format = request->content_format;
    transfer->received = 0;
    if (package_at(path, &transfer->target)) {
        return begin_package(request);
    }
    return request->size1 > (int64_t)WRITE_BYTES ? COAP_TOO_LARGE : COAP_CHANGED;
}

static bool goes_on(const struct path *path, const struct coap_message *request)
{
    bool wanted = !is_package() || update_state_of(transfer->target) == UPDATE_RECEIVING;
    return transfer->active && wanted && path_equal(path, &transfer->path) && request->code == transfer->method &&
           request->content_format == transfer->format &&
           request->block1.number == transfer->received / coap_block_size(&request->block1) &&
           transfer->received % coap_block_size(&request->block1) == 0;
}

static enum coap_code store(const struct coap_text *payload)
{
    if (is_package()) {
        int status = update_write(transfer->target, transfer->received, payload->data, payload->length);
        if (status != OS_OK) {
            transfer->active = false;
            package_give_up(transfer->target, status);
            return package_refusal(transfer->target, status);
        }
    } else if (payload->length > WRITE_BYTES - transfer->received) {
        transfer->active = false;
        return COAP_TOO_LARGE;
    } else if (payload->length > 0) {
        memcpy(buffer + transfer->received, payload->data, payload->length);
    }
    transfer->received += payload->length;
    return COAP_CHANGED;
}

static enum coap_code finish_package(void)
{
    int status = update_finish(transfer->target);
    if (status != OS_OK) {
        package_give_up(transfer->target, status);
        return package_refusal(transfer->target, status);
    }
    return COAP_CHANGED;
}

static enum intake_result take_block(const struct coap_message *request, struct coap_reply *reply,
                                     struct coap_text *content)
{
    enum coap_code code = store(&request->payload);
    if (code != COAP_CHANGED) {
        return answer(reply, code);
    }
    transfer->heard_at = clock_ms();
    if (request->block1.more) {
        return answer(reply, COAP_CONTINUE);
    }
    transfer->active = false;
    if (is_package()) {
        return answer(reply, finish_package());
    }
    *content = (struct coap_text){buffer, transfer->received};
    return INTAKE_COMPLETE;
}

enum intake_result intake_take(const struct path *path, const struct coap_message *request, struct coap_reply *reply,
                               struct coap_text *content)
{
    const struct coap_block *block = &request->block1;
    uint32_t size = block->present ? coap_block_size(block) : LINK_DATAGRAM_BYTES;
    reply->block1 = *block;
    if (request->payload.length > size || (block->more && request->payload.length != size)) {
        return answer(reply, COAP_BAD_REQUEST);
    }
    enum update_target target;
    transfer = &transfers[package_at(path, &target) ? PACKAGE : OTHER];
    if (block->number == 0 && !block->more && !is_package()) {
        *content = request->payload; /* all of it is here: what is under way goes on */
        return INTAKE_COMPLETE;
    }
    if (block->number > 0) {
        return goes_on(path, request) ? take_block(request, reply, content)
                                      : answer(reply, refuse(COAP_INCOMPLETE, "not the next block: begin again"));
    }
    enum coap_code code = begin(path, request);
    if (code == COAP_TOO_LARGE) {
        reply->size1 = is_package() ? (int64_t)update_limit(transfer->target) : (int64_t)WRITE_BYTES;
    }
    if (code == COAP_CHANGED && is_package() && is_reset(request)) {
        download_stop(transfer->target);
        package_fail(transfer->target, PACKAGE_NO_FAILURE);
        return answer(reply, code);
    }
    if (code != COAP_CHANGED) {
        return answer(reply, code);
    }
    transfer->active = true;
    return take_block(request, reply, content);
}

void intake_poll(void)
{
    for (uint32_t kind = 0; kind < KINDS; kind++) {
        transfer = &transfers[kind];
        if (transfer->active && clock_ms() - transfer->heard_at >= STALL_MS) {
            forget(PACKAGE_CONNECTION_LOST);
        }
    }
}
