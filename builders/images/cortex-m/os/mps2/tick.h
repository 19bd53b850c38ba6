/* A slow tick that wakes the loop for what is due. */
#ifndef MPS2_TICK_H
#define MPS2_TICK_H

void tick_start(void);

#endif
