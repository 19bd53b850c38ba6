/* Sensors nearby give labelled samples over plain CoAP, so that none of them leaves the place that it comes from. */
#ifndef FEDERATION_SENSOR_H
#define FEDERATION_SENSOR_H

#include <stdint.h>

#include "core/status.h"

/* Listens at this port of the board; 0: at none. */
enum os_status sensor_start(uint16_t port);

/* One turn of the loop. */
void sensor_poll(void);

#endif
