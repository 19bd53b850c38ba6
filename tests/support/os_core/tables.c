/* Rules and operations of the core as tables, for tests that give them row by row. */
#include "tables.h"

#include <stdio.h>
#include <string.h>

#include "boot/boot_decide.h"
#include "core/flash.h"
#include "core/flash_port.h"
#include "core/start_number.h"
#include "host.h"

/* In: active, pending, attempts, both states, whether each is sound, reset reason. Out: slot, whether the record
 * changed, and of the record active, pending, attempts, both states, reason. */
int decide(void)
{
    unsigned in[8];
    while (scanf("%u %u %u %u %u %u %u %u", in, in + 1, in + 2, in + 3, in + 4, in + 5, in + 6, in + 7) == 8) {
        struct boot_record record = {.active = (uint8_t)in[0],
                                     .pending = (uint8_t)in[1],
                                     .attempts = (uint8_t)in[2],
                                     .state = {(uint8_t)in[3], (uint8_t)in[4]}};
        struct boot_decision made = boot_decide(&record, in[5], in[6], (enum reset_reason)in[7]);
        const struct boot_record *after = &made.record;
        printf("%u %u %u %u %u %u %u %u\n", made.slot, made.changed, after->active, after->pending, after->attempts,
               after->state[0], after->state[1], after->reason);
    }
    return 0;
}

/* In: e or p, offset, and for p a number of bytes and the one to program. Out: the os_status. */
int operate(void)
{
    char what;
    unsigned at, count, byte;
    static uint8_t data[2 * FLASH_SECTOR];
    memset(host_flash, 0xFF, FLASH_BYTES);
    while (scanf(" %c %u %u %u", &what, &at, &count, &byte) == 4) {
        memset(data, (int)byte, sizeof data);
        printf("%d\n", (int)(what == 'e' ? flash_erase(at) : flash_program(at, data, count)));
    }
    return 0;
}

/* In: s for a start, or d and a byte, that is programmed over the beginning of both copies of the record. Out: the number
 * of each start. */
int count_starts(void)
{
    char what;
    unsigned byte;
    uint64_t number;
    memset(host_flash, 0xFF, FLASH_BYTES);
    while (scanf(" %c", &what) == 1) {
        if (what == 's') {
            if (start_number_next(&number) != OS_OK) {
                return 1;
            }
            printf("%llu\n", (unsigned long long)number);
        } else if (scanf("%u", &byte) == 1) {
            uint8_t granule[FLASH_GRANULE];
            memset(granule, (int)byte, sizeof granule);
            flash_port_program(FLASH_STARTS, granule);
            flash_port_program(FLASH_STARTS + FLASH_SECTOR, granule);
        }
    }
    return 0;
}
