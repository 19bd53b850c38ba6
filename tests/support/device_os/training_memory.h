/* A model of four features and three classes whose head the real training core trains, in a flash in memory. */
#ifndef TRAINING_MEMORY_H
#define TRAINING_MEMORY_H

#define TRAINING_MEMORY_INPUT_BYTES 8u

/* Nothing is trained, nothing held. */
void training_memory_clear(void);

#endif
