/* The two model slots: proving, activating, going back. */
#ifndef CORE_UPDATE_MODEL_H
#define CORE_UPDATE_MODEL_H

#include "core/boot_record.h"
#include "core/target.h"

/* One slice of what Object 9's Install does: the model is read and its golden vectors computed. */
void update_model_prove(enum update_target which, struct target *target, struct bench *bench);

/* At the start: the model that the boot record chooses for this firmware runs, or the built-in one when it is not what
 * it was. Returns it. */
const struct model *update_model_start(void);

/* The model that runs: BOOT_BUILT_IN and its like. */
enum boot_model update_model_source(void);
const struct model *update_model_running(void);

#endif
