/* Times the layers of the model one by one. */
#ifndef PROFILE_H
#define PROFILE_H

/* Runs the model once more on the inputs that lie in it, and reports each layer. */
void profile(void);

#endif
