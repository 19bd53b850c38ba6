/* A new firmware on trial: begun, carried over the reset, and confirmed, or given up and reported. */
#ifndef CORE_TRIAL_H
#define CORE_TRIAL_H

#include "core/target.h"

/* The spare slot no longer counts as a firmware: it is about to be written. */
int trial_empty_slot(void);

/* Pending, and a reset. */
int trial_begin(uint8_t slot);

/* At the start: what came of a firmware that was being installed. */
void trial_resume(struct target *firmware);

/* In the loop: confirms a firmware that has registered, gives it up when that took too long. */
void trial_poll(struct target *firmware);

/* The running firmware is on trial, and a golden vector of its own model is wrong. */
void trial_fail_golden(void);

#endif
