/* The Ethernet interface below the UDP socket. */
#ifndef PORT_ETHERNET_H
#define PORT_ETHERNET_H

#include <stdint.h>

#include "core/status.h"
#include "port/lan9118.h"

/* Starts controller and stack, and asks for an address. OS_IO: the controller does not answer. */
enum os_status ethernet_start(const uint8_t address[LAN9118_ADDRESS_BYTES]);

#endif
