"""Makes the int8 models that bench/kernels.py measures: the topologies of MLPerf Tiny, trained for a moment on noise.

What a kernel costs depends on shapes and not on accuracy. Run by bench/kernels.py in a process of its own.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import numpy as np
import tensorflow as tf

from zoo.convert import to_int8

layers = tf.keras.layers
SAMPLES = 32
SEED = 7


def _convolution(x: Any, channels: int, size: int, stride: int = 1, *, relu: bool = True) -> Any:
    x = layers.Conv2D(channels, size, stride, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization()(x)
    return layers.ReLU()(x) if relu else x


def resnet_8() -> tuple[Any, Any]:
    """ResNet-8 on 32x32x3: 12.5 million multiplications."""
    source = x = tf.keras.Input((32, 32, 3))
    x = _convolution(x, 16, 3)
    for channels, stride in ((16, 1), (32, 2), (64, 2)):
        y = _convolution(_convolution(x, channels, 3, stride), channels, 3, relu=False)
        x = x if stride == 1 else layers.Conv2D(channels, 1, stride, padding="same")(x)
        x = layers.ReLU()(layers.Add()([x, y]))
    x = layers.Flatten()(layers.AveragePooling2D(8)(x))
    return source, layers.Dense(10, activation="softmax")(x)


def mobilenet_v1() -> tuple[Any, Any]:
    """MobileNet v1 of width 0.25 on 96x96x3: 7.5 million multiplications."""
    source = x = tf.keras.Input((96, 96, 3))
    x = _convolution(x, 8, 3, 2)
    blocks = [(16, 1), (32, 2), (32, 1), (64, 2), (64, 1), (128, 2), *[(128, 1)] * 5, (256, 2), (256, 1)]
    for channels, stride in blocks:
        x = layers.DepthwiseConv2D(3, stride, padding="same", use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization()(x))
        x = _convolution(x, channels, 1)
    x = layers.Flatten()(layers.AveragePooling2D(3)(x))
    return source, layers.Dense(2, activation="softmax")(x)


def wakeword() -> tuple[Any, Any]:
    """A streaming depthwise-separable net on 30 steps of 40 features: 0.84 million multiplications."""
    source = x = tf.keras.Input((30, 1, 40))
    for size, channels in ((3, 128), (5, 128), (9, 128), (16, 32)):
        x = layers.DepthwiseConv2D((size, 1), padding="valid", use_bias=False)(x)
        x = layers.Conv2D(channels, 1, use_bias=False)(layers.BatchNormalization()(x))
        x = layers.ReLU()(layers.BatchNormalization()(x))
    return source, layers.Dense(3, activation="softmax")(layers.Flatten()(x))


MODELS: dict[str, Callable[[], tuple[Any, Any]]] = {
    "resnet-8": resnet_8,
    "mobilenet-v1-0.25": mobilenet_v1,
    "wakeword": wakeword,
}


def make(name: str) -> bytes:
    """The int8 .tflite file of one topology."""
    tf.keras.utils.set_random_seed(SEED)
    source, target = MODELS[name]()
    model = tf.keras.Model(source, target)
    noise = np.random.default_rng(SEED).normal(0, 1, (SAMPLES, *source.shape[1:])).astype(np.float32)
    classes = target.shape[-1]
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(noise, np.arange(SAMPLES) % classes, epochs=2, batch_size=8, verbose=0)
    return to_int8(model, noise)


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    for wanted in sys.argv[2:]:
        (folder / f"{wanted}.tflite").write_bytes(make(wanted))
