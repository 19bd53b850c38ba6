/* The objects of a device that does not train. */
#include "lwm2m/tree.h"

const struct object *const tree_objects[] = {
    &object_server, &object_device, &object_firmware, &object_software, &object_board, &object_inference,
};
const uint32_t tree_object_count = sizeof tree_objects / sizeof tree_objects[0];
