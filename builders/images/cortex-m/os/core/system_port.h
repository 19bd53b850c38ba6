/* What a port brings for os.c: ways to end. */
#ifndef CORE_SYSTEM_PORT_H
#define CORE_SYSTEM_PORT_H

/* Resets the board; the next start knows that it was asked for. */
void system_port_reset(void) __attribute__((noreturn));

/* Says why on the console and stands still. */
void system_port_halt(const char *why) __attribute__((noreturn));

#endif
