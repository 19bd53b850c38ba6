"""Makes float.tflite, a float32 model of two dense layers; written once with TensorFlow 2.21."""

from pathlib import Path

import tensorflow as tf

tf.keras.utils.set_random_seed(1)
layers = tf.keras.layers
model = tf.keras.Sequential([layers.Input(batch_shape=(1, 4)), layers.Dense(8, "relu"), layers.Dense(2)])
Path(__file__).with_name("float.tflite").write_bytes(tf.lite.TFLiteConverter.from_keras_model(model).convert())
