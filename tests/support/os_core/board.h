/* The simulated board: the addresses of an mps2-an386-os, backed by host.c. */
#ifndef BOARD_H
#define BOARD_H

#if !defined(BOARD_NAME)
#define BOARD_NAME "host-os"
#endif
#define BOARD_HZ 25000000u
#define BOARD_FLASH 0x21000000u
#define BOARD_EXEC 0x00020000u
#define BOARD_EXEC_END 0x003FFE00u
#define BOARD_RAM 0x20000000u
#define BOARD_RAM_END 0x20100000u
#define BOARD_WINDOW_A 0x20200000u
#define BOARD_WINDOW_B 0x20300000u
#define BOARD_WINDOW_BYTES 0x00100000u
#define BOARD_STACK_BYTES 16384u

#endif
