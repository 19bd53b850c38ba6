/* The registration at the server (Core 1.1.1, section 6.2): made, kept alive, and made again when it is lost. */
#ifndef LWM2M_REGISTRATION_H
#define LWM2M_REGISTRATION_H

#include <stdbool.h>
#include <stdint.h>

#define REGISTRATION_ENDPOINT_BYTES 64u
#define REGISTRATION_MIN_LIFETIME 3
#define REGISTRATION_MAX_LIFETIME (7 * 86400)

void registration_start(const char *endpoint, uint32_t lifetime_s);
void registration_poll(void);

bool registration_active(void);

const char *registration_endpoint(void);
uint32_t registration_lifetime(void);
void registration_set_lifetime(uint32_t lifetime_s);

/* Send an Update soon. */
void registration_update_now(void);

#endif
