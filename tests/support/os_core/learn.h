/* A script of training on the simulated board (learn.c). */
#ifndef LEARN_H
#define LEARN_H

/* Runs the script's lines in their order, each until the board has no more to do; what comes of them, as lines on the
 * output. Only after os_start. */
void learn(const char *script);

/* One line: the trained head that the board has, by round and checksum. */
void learn_show_found(void);

#endif
