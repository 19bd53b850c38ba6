/* The objects that a device has when it trains. */
#ifndef FEDERATION_OBJECTS_H
#define FEDERATION_OBJECTS_H

#include "lwm2m/object.h"

extern const struct object object_container;
extern const struct object object_training;

#endif
