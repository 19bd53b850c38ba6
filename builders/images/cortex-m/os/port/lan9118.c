/* LAN9118 (SMSC LAN9118 datasheet, revision 1.5): registers, two FIFOs of words, and one interrupt. */
#include "port/lan9118.h"

#include <string.h>

#include "board.h"
#include "mps2/interrupts.h"

#define REGISTER(offset) (*(volatile uint32_t *)(BOARD_ETHERNET + (offset)))
#define RX_DATA REGISTER(0x00u)
#define TX_DATA REGISTER(0x20u)
#define RX_STATUS REGISTER(0x40u)
#define TX_STATUS REGISTER(0x48u)
#define IRQ_CFG REGISTER(0x54u)
#define INT_STS REGISTER(0x58u)
#define INT_EN REGISTER(0x5Cu)
#define BYTE_TEST REGISTER(0x64u)
#define FIFO_INT REGISTER(0x68u)
#define RX_CFG REGISTER(0x6Cu)
#define TX_CFG REGISTER(0x70u)
#define HW_CFG REGISTER(0x74u)
#define RX_FIFO_INF REGISTER(0x7Cu)
#define TX_FIFO_INF REGISTER(0x80u)
#define FREE_RUN REGISTER(0x9Cu)
#define MAC_CSR_CMD REGISTER(0xA4u)
#define MAC_CSR_DATA REGISTER(0xA8u)

#define BYTE_TEST_VALUE 0x87654321u
#define IRQ_ENABLED 0x111u /* enabled, active high, push-pull: QEMU drives the line inverted with anything else */
#define INT_RX_STATUS_LEVEL 0x8u
#define HW_RESET 1u
#define HW_TX_FIFO_5K 0x50000u
#define TX_ON 2u
#define TX_STATUS_MAY_OVERRUN 4u
#define TX_FIRST_AND_LAST 0x3000u

#define MAC_CONTROL 1u
#define MAC_ADDRESS_HIGH 2u
#define MAC_ADDRESS_LOW 3u
#define MAC_BUSY 0x80000000u
#define MAC_RECEIVE_AND_TRANSMIT 0x0010000Cu /* full duplex */

#define RX_ERROR 0x8000u
#define CHECKSUM_BYTES 4u
#define LEAST_FRAME_BYTES 60u
#define COMMAND_BYTES 8u
#define TRIES 100000u

static bool mac_write(uint32_t index, uint32_t value)
{
    MAC_CSR_DATA = value;
    MAC_CSR_CMD = MAC_BUSY | index;
    for (uint32_t tries = 0; tries < TRIES; tries++) {
        if ((MAC_CSR_CMD & MAC_BUSY) == 0) {
            return true;
        }
    }
    return false;
}

static bool reset_done(void)
{
    HW_CFG = HW_RESET;
    for (uint32_t tries = 0; tries < TRIES; tries++) {
        if ((HW_CFG & HW_RESET) == 0 && BYTE_TEST == BYTE_TEST_VALUE) {
            return true;
        }
    }
    return false;
}

enum os_status lan9118_start(const uint8_t address[LAN9118_ADDRESS_BYTES])
{
    uint32_t low, high = (uint32_t)address[5] << 8 | address[4];
    memcpy(&low, address, sizeof low);
    if (!reset_done()) {
        return OS_IO;
    }
    HW_CFG = HW_TX_FIFO_5K;
    INT_EN = 0;
    INT_STS = UINT32_MAX;
    FIFO_INT = 0; /* an interrupt for the first frame */
    RX_CFG = 0;
    IRQ_CFG = IRQ_ENABLED;
    if (!mac_write(MAC_ADDRESS_HIGH, high) || !mac_write(MAC_ADDRESS_LOW, low) ||
        !mac_write(MAC_CONTROL, MAC_RECEIVE_AND_TRANSMIT)) {
        return OS_IO;
    }
    TX_CFG = TX_ON | TX_STATUS_MAY_OVERRUN;
    interrupt_enable(INTERRUPT_ETHERNET, PRIORITY_MIDDLE);
    lan9118_listen();
    return OS_OK;
}

bool lan9118_pending(void)
{
    return (RX_FIFO_INF >> 16 & 0xFFu) > 0;
}

uint32_t lan9118_receive(uint32_t *words)
{
    uint32_t status = RX_STATUS;
    uint32_t length = status >> 16 & 0x3FFFu; /* with the checksum */
    bool good = (status & RX_ERROR) == 0 && length > CHECKSUM_BYTES && length <= LAN9118_FRAME_BYTES + CHECKSUM_BYTES;
    for (uint32_t word = 0; word < (length + 3) / 4; word++) {
        uint32_t value = RX_DATA; /* read to its end also when nobody wants it */
        if (good) {
            words[word] = value;
        }
    }
    return good ? length - CHECKSUM_BYTES : 0;
}

enum os_status lan9118_send(const uint8_t *frame, uint32_t length)
{
    uint32_t padded = length < LEAST_FRAME_BYTES ? LEAST_FRAME_BYTES : length;
    if (length > LAN9118_FRAME_BYTES) {
        return OS_TOO_LARGE;
    }
    while ((TX_FIFO_INF >> 16 & 0xFFu) > 0) {
        (void)TX_STATUS; /* a full FIFO of statuses would stop transmission */
    }
    if ((TX_FIFO_INF & 0xFFFFu) < padded + COMMAND_BYTES + 3) {
        return OS_AGAIN;
    }
    TX_DATA = TX_FIRST_AND_LAST | padded;
    TX_DATA = padded;
    for (uint32_t at = 0; at < padded; at += 4) {
        uint32_t word = 0;
        uint32_t left = at < length ? length - at : 0;
        memcpy(&word, frame + (left > 0 ? at : 0), left < 4 ? left : 4);
        TX_DATA = word;
    }
    return OS_OK;
}

void lan9118_quiet(void)
{
    INT_EN = 0;
}

void lan9118_listen(void)
{
    /* The status is set by an arrival only: clear it first and look for frames after, or one is slept through. */
    INT_STS = INT_RX_STATUS_LEVEL;
    INT_EN = INT_RX_STATUS_LEVEL;
}

uint32_t lan9118_counter(void)
{
    return FREE_RUN;
}
