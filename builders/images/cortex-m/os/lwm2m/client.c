/* The LwM2M client: starts its parts, and turns them. */
#include "lwm2m/client.h"

#include <string.h>

#include "lwm2m/coap_endpoint.h"
#include "lwm2m/download.h"
#include "lwm2m/intake.h"
#include "lwm2m/observe.h"
#include "lwm2m/service.h"
#include "lwm2m/telemetry.h"
#include "lwm2m/uri.h"

enum os_status client_server(const char *text, struct link_settings *link)
{
    struct uri uri;
    if (uri_parse((const uint8_t *)text, (uint32_t)strlen(text), &uri) != OS_OK || uri.path_count > 0 ||
        uri.query_count > 0) {
        return OS_ARGUMENT;
    }
    link->server = uri.host;
    link->secure = uri.secure;
    return OS_OK;
}

enum os_status client_start(const struct client_settings *settings)
{
    bool usable = settings->endpoint[0] != '\0' && settings->lifetime_s >= REGISTRATION_MIN_LIFETIME &&
                  settings->lifetime_s <= REGISTRATION_MAX_LIFETIME && settings->ack_timeout_ms > 0;
    if (!usable) {
        return OS_ARGUMENT;
    }
    enum os_status status = link_start(&settings->link, coap_receive);
    if (status != OS_OK) {
        return status;
    }
    coap_start(service_answer, settings->ack_timeout_ms);
    observe_clear();
    registration_start(settings->endpoint, settings->lifetime_s);
    telemetry_start(settings->telemetry_s);
    download_start();
    return OS_OK;
}

void client_poll(void)
{
    link_poll();
    coap_poll();
    registration_poll();
    intake_poll();
    download_poll();
    observe_poll();
    telemetry_poll();
}
