/* What the OS's functions return: OS_OK, or why not. */
#ifndef CORE_STATUS_H
#define CORE_STATUS_H

enum os_status {
    OS_OK = 0,
    OS_AGAIN,     /* not now: call again later */
    OS_STATE,     /* the state machine does not allow it */
    OS_ARGUMENT,  /* a value is out of its range */
    OS_TOO_LARGE, /* does not fit into the slot or the buffer */
    OS_NOT_FOUND,
    OS_DAMAGED, /* a checksum, a signature or a format is wrong */
    OS_IO,
};

#endif
