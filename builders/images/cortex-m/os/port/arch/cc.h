/* lwIP's view of the compiler and the processor. */
#ifndef PORT_ARCH_CC_H
#define PORT_ARCH_CC_H

#include <stdint.h>

#define LWIP_NO_STDDEF_H 0
#define LWIP_NO_STDINT_H 0
#define LWIP_NO_UNISTD_H 1
#define LWIP_NO_CTYPE_H 1
#define LWIP_TIMEVAL_PRIVATE 0

#ifndef BYTE_ORDER
#define BYTE_ORDER LITTLE_ENDIAN
#endif

/* Both stand where lwIP finds itself in a state that cannot be: begin anew. */
void port_stack_failed(void);

#define LWIP_PLATFORM_DIAG(message)
#define LWIP_PLATFORM_ASSERT(message) port_stack_failed()

/* Of identifiers of DHCP and IP, which need not be secret. */
uint32_t port_stack_random(void);
#define LWIP_RAND() port_stack_random()

#endif
