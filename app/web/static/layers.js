// The layers of a trainable model's document in TensorFlow.js; those that it has not, or has otherwise, are made here.

import { NetworkError } from "/web/shapes.js";
import * as tf from "/web/tf.min.js";

// Without the softmax at the end: the cross entropy of probabilities is cut off where they are small, and so is its
// gradient.
export function endingWithLogits(layers) {
  const last = { ...layers.at(-1) };
  if (last.activation === "softmax") last.activation = "linear";
  if (last.function === "softmax") last.function = "linear";
  return [...layers.slice(0, -1), last];
}

// Batch normalisation by the averages of the training before, as every other client has it: one client's samples are too
// few and too alike. Scale and offset of each channel go on learning.
class Normalisation extends tf.layers.Layer {
  constructor({ mean, variance, epsilon, ...options }) {
    super(options);
    this.mean = tf.tensor1d(mean);
    this.inverse = tf.tensor1d(variance.map((value) => 1 / Math.sqrt(value + epsilon)));
  }

  build(shape) {
    const channels = [shape.at(-1)];
    this.gamma = this.addWeight("gamma", channels, "float32", tf.initializers.ones());
    this.beta = this.addWeight("beta", channels, "float32", tf.initializers.zeros());
    this.built = true;
  }

  computeOutputShape(shape) {
    return shape;
  }

  call(inputs) {
    return tf.tidy(() => {
      const x = Array.isArray(inputs) ? inputs[0] : inputs;
      const standard = tf.mul(tf.sub(x, this.mean), this.inverse);
      return tf.add(tf.mul(standard, this.gamma.read()), this.beta.read());
    });
  }

  static get className() {
    return "Normalisation";
  }
}

// Average pooling whose windows overhang: TensorFlow.js averages what is there, and gives each value back a share of the
// whole window. Here the window is whole, and what it lacks is put right by a factor.
class OverhangingAverage extends tf.layers.Layer {
  constructor({ pool, stride, ...options }) {
    super(options);
    this.pool = pool;
    this.stride = stride;
  }

  build([, ...sizes]) {
    this.margins = [0, 1].map((axis) => {
      const steps = Math.ceil(sizes[axis] / this.stride[axis]);
      const lacking = Math.max((steps - 1) * this.stride[axis] + this.pool[axis] - sizes[axis], 0);
      return [Math.floor(lacking / 2), Math.ceil(lacking / 2)];
    });
    this.factor = tf.tidy(() => tf.div(1, this.average(tf.ones([1, sizes[0], sizes[1], 1]))));
    this.built = true;
  }

  average(x) {
    return tf.avgPool(tf.pad(x, [[0, 0], ...this.margins, [0, 0]]), this.pool, this.stride, "valid");
  }

  computeOutputShape([batch, height, width, channels]) {
    return [batch, Math.ceil(height / this.stride[0]), Math.ceil(width / this.stride[1]), channels];
  }

  call(inputs) {
    return tf.tidy(() => tf.mul(this.average(Array.isArray(inputs) ? inputs[0] : inputs), this.factor));
  }

  static get className() {
    return "OverhangingAverage";
  }
}

// One of the document's layers: a recipe's, with every number filled in (docs/reference/training-recipe.md).
export function kerasLayer(layer, options) {
  const learnt = { activation: layer.activation, useBias: layer.bias };
  const window = { strides: layer.stride, padding: layer.padding };
  switch (layer.type) {
    case "dense":
      return tf.layers.dense({ units: layer.units, ...learnt, ...options });
    case "conv2d":
      return tf.layers.conv2d({ filters: layer.filters, kernelSize: layer.kernel, ...window, ...learnt, ...options });
    case "depthwise_conv2d":
      return tf.layers.depthwiseConv2d({ kernelSize: layer.kernel, ...window, ...learnt, ...options });
    case "batch_normalisation":
      return new Normalisation({ mean: layer.mean, variance: layer.variance, epsilon: layer.epsilon, ...options });
    case "max_pooling2d":
      return tf.layers.maxPooling2d({ poolSize: layer.pool, ...window, ...options });
    case "average_pooling2d":
      if (layer.padding === "same") return new OverhangingAverage({ pool: layer.pool, stride: layer.stride, ...options });
      return tf.layers.averagePooling2d({ poolSize: layer.pool, ...window, ...options });
    case "global_average_pooling2d":
      return tf.layers.globalAveragePooling2d(options);
    case "zero_padding2d":
      return tf.layers.zeroPadding2d({ padding: layer.padding, ...options });
    case "flatten":
      return tf.layers.flatten(options);
    case "reshape":
      return tf.layers.reshape({ targetShape: layer.shape, ...options });
    case "activation":
      return tf.layers.activation({ activation: layer.function, ...options });
    case "dropout": // no client leaves anything out: there are few samples, and little is learnt from them
      return tf.layers.activation({ activation: "linear", ...options });
    default:
      throw new NetworkError(`A browser does not train a layer of the type ${layer.type}.`);
  }
}
