/* Lines of the output for lines of the input: rules and operations of the core, one by one (tables.c). */
#ifndef TABLES_H
#define TABLES_H

/* The bootloader's choice. */
int decide(void);

/* Operations of an erased flash. */
int operate(void);

/* What a start of the device is numbered. */
int count_starts(void);

#endif
