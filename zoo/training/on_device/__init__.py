"""Training on the device: a .tflite file that can be trained, and what trains it there. No TensorFlow on a device."""
