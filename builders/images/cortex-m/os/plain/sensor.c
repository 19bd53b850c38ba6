/* An OS that does not train listens to no sensors. */
#include "federation/sensor.h"

enum os_status sensor_start(uint16_t port)
{
    (void)port;
    return OS_OK;
}

void sensor_poll(void)
{
}
