/* In an OS that does not train, nothing of it happens. */
#include "core/training.h"

void training_use(const struct model *model)
{
    (void)model;
}

bool training_poll(void)
{
    return false;
}

bool training_answers(const struct model *model, uint8_t *output)
{
    (void)model;
    (void)output;
    return false;
}
