/* Telemetry by Send (Core 1.1.1, section 6.4.7): what the device measured, every so many seconds. */
#ifndef LWM2M_TELEMETRY_H
#define LWM2M_TELEMETRY_H

#include <stdbool.h>
#include <stdint.h>

/* 0 seconds: never. */
void telemetry_start(uint32_t interval_s);
void telemetry_poll(void);

/* Mute Send, /1/0/23. */
bool telemetry_muted(void);
void telemetry_mute(bool muted);

#endif
