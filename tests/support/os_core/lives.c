/* Boards that lose their power: from manufacture to the end of what they are given, life after life. */
#include "lives.h"

#include <stdio.h>
#include <string.h>

#include "core/flash.h"
#include "host.h"

static void restore(void)
{
    for (uint32_t index = 0; index < host_shared->touched; index++) {
        memcpy(host_flash + host_shared->sectors[index], life_template + host_shared->sectors[index], FLASH_SECTOR);
    }
    memset(host_shared, 0, sizeof *host_shared);
}

/* The update from manufacture to its end, with power cut at one operation, or at two; how many lives it took. */
static int update_with_cuts(uint64_t first, uint64_t second, int *watchdogs)
{
    restore();
    host_shared->seed = first * 1000003u + second;
    host_shared->cut_at = first;
    *watchdogs = 0;
    for (int life = 1; life <= LIVES; life++) {
        int end = one_life();
        if (end == LIFE_DONE) {
            return life;
        }
        if (end == LIFE_CUT && second != 0) {
            host_shared->cut_at = host_shared->operations + second;
            second = 0;
        }
        *watchdogs += end == LIFE_WATCHDOG;
        if (end != LIFE_CUT && end != LIFE_RESET && end != LIFE_WATCHDOG) {
            fprintf(stderr, "life %d ended with %d, power lost at operation %llu\n", life, end,
                    (unsigned long long)first);
            return 0;
        }
    }
    fprintf(stderr, "no end after %d lives, power lost at operation %llu\n", LIVES, (unsigned long long)first);
    return 0;
}

int power(uint64_t first, uint64_t step, uint64_t second)
{
    int watchdogs, most = 0, cuts = 0, bad = 0;
    if (update_with_cuts(0, 0, &watchdogs) == 0) {
        fail("the update does not succeed even with power");
    }
    uint64_t operations = host_shared->operations;
    for (uint64_t cut = first; cut <= operations; cut += step) {
        uint64_t later = second == 0 ? 0 : 1 + (cut * 2654435761u) % second;
        int lives = update_with_cuts(cut, later, &watchdogs);
        cuts++;
        bad += lives == 0;
        most = lives > most ? lives : most;
    }
    printf("operations %llu\ncuts %d\nmost lives %d\n", (unsigned long long)operations, cuts, most);
    printf("lost boards %d\n", bad);
    return bad != 0;
}

/* A training with power cut at operation `first`, `first` + `step`...; each life says what it finds, and the last one what
 * it leaves. */
int learn_power(uint64_t first, uint64_t step)
{
    int watchdogs;
    if (update_with_cuts(0, 0, &watchdogs) == 0) {
        fail("the training does not succeed even with power");
    }
    uint64_t operations = host_shared->operations;
    for (uint64_t cut = first; cut <= operations; cut += step) {
        printf("cut %llu\n", (unsigned long long)cut);
        if (update_with_cuts(cut, 0, &watchdogs) != 2) {
            fail("power lost in a training is not over in the next life");
        }
    }
    return 0;
}
