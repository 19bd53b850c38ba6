/* The watchdog: resets the board when the loop stands still. */
#ifndef CORE_WATCHDOG_H
#define CORE_WATCHDOG_H

void watchdog_start(void);
void watchdog_feed(void);

#endif
