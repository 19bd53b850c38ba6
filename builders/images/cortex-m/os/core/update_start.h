/* What the parts of the update state machine call of each other. */
#ifndef CORE_UPDATE_START_H
#define CORE_UPDATE_START_H

#include "core/system.h"
#include "core/target.h"

/* Reads the stored states; after os_system is filled in. */
void update_start(void);

struct target *update_target(enum update_target which);

/* Stores state and result of a target. */
int update_store(enum update_target which, enum update_state state, int result);

/* What a package for this target must be. */
void update_demand(enum update_target which, struct image_demand *demand);

/* Keeps what an image says, once it is known to be authentic. */
void update_describe(struct target *target, const struct image *image);

#endif
