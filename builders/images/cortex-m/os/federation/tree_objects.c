/* The objects of a device that trains. */
#include "federation/objects.h"
#include "lwm2m/tree.h"

const struct object *const tree_objects[] = {
    &object_server,    &object_device, &object_firmware,  &object_software,
    &object_container, &object_board,  &object_inference, &object_training,
};
const uint32_t tree_object_count = sizeof tree_objects / sizeof tree_objects[0];
