/* Driver of the SMSC LAN9118 Ethernet controller, without copies that are not needed and without waiting for frames. */
#ifndef PORT_LAN9118_H
#define PORT_LAN9118_H

#include <stdbool.h>
#include <stdint.h>

#include "core/status.h"

#define LAN9118_ADDRESS_BYTES 6u
#define LAN9118_FRAME_BYTES 1518u /* without the checksum: 1514 and a VLAN tag */

/* Resets the controller and lets it receive frames for this address and broadcasts. OS_IO: it does not answer. */
enum os_status lan9118_start(const uint8_t address[LAN9118_ADDRESS_BYTES]);

/* Whether a frame waits. */
bool lan9118_pending(void);

/* The next frame into `words`, which have room for LAN9118_FRAME_BYTES + 4; its length without the checksum, or 0 for a
   damaged one. Only when one waits. */
uint32_t lan9118_receive(uint32_t *words);

/* Send a frame; OS_AGAIN when the controller has no room. */
enum os_status lan9118_send(const uint8_t *frame, uint32_t length);

/* Silence the interrupt line until lan9118_listen. */
void lan9118_quiet(void);
void lan9118_listen(void);

/* A free-running counter of 25 MHz: its low bits at the arrival of frames are noise. */
uint32_t lan9118_counter(void);

#endif
