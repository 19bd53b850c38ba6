// The federation's network in TensorFlow.js: its layers as a recipe has them, its weights in Keras' order and layout.

import { endingWithLogits, kerasLayer } from "/web/layers.js";
import { Diverged, NetworkError, sizeOf } from "/web/shapes.js";
import * as tf from "/web/tf.min.js";

const EVALUATION_BATCH = 256;
const BREATH_MILLISECONDS = 50;
const SMALL_PARAMETERS = 200_000; // below it starting shaders takes longer than computing without them

export class Network {
  // `document`: what the trainable model says of itself. Throws NetworkError.
  static async of(document) {
    if (document.scope !== "all")
      throw new NetworkError(
        "This federation trains the head alone, behind layers that only its .tflite file holds: a browser takes part " +
          "where the scope is all.",
      );
    const size = document.parameters.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
    if (size < SMALL_PARAMETERS) await tf.setBackend("cpu");
    await tf.ready();
    return new Network(document);
  }

  constructor(document) {
    this.parameters = document.parameters;
    this.inputShape = document.input_shape;
    this.outputs = document.outputs;
    this.task = document.task;
    this.labels = document.labels.length ? document.labels : Array.from({ length: this.outputs }, (_, at) => String(at));
    this.lossName = document.loss;
    this.scaling = document.normalisation ?? {};
    this.model = tf.sequential();
    const layers = document.loss === "cross-entropy" ? endingWithLogits(document.layers) : document.layers;
    layers.forEach((layer, index) => {
      const options = index === 0 ? { inputShape: this.inputShape } : {};
      this.model.add(kerasLayer(layer, options));
    });
    const own = this.model.weights.map((weight) => weight.shape.join("x"));
    const theirs = this.parameters.map(({ shape }) => shape.join("x"));
    if (own.join() !== theirs.join())
      throw new NetworkError(`The layers have the weights ${own.join(", ")}, the federation has ${theirs.join(", ")}.`);
  }

  setWeights(weights) {
    const tensors = weights.map((values, index) => tf.tensor(values, this.parameters[index].shape, "float32"));
    this.model.setWeights(tensors);
    tf.dispose(tensors);
  }

  // Float32Array per parameter.
  async weights() {
    return Promise.all(this.model.getWeights().map((weight) => weight.data()));
  }

  // Trains as the assignment says, by plain gradient descent; calls `epoch(number, loss)` after each. The last loss.
  async train(samples, { epochs, batch_size: batchSize, learning_rate: rate }, epoch) {
    const [x, y] = this.tensors(samples);
    const optimizer = tf.train.sgd(rate);
    let loss = NaN;
    try {
      this.model.compile({ optimizer, loss: this.loss() });
      await this.model.fit(x, y, {
        epochs,
        batchSize,
        shuffle: true,
        verbose: 0,
        yieldEvery: "never", // it would wait for a frame to be drawn, and in a tab in the background none ever is
        callbacks: {
          onBatchEnd: breather(),
          onEpochEnd: (number, logs) => {
            loss = logs.loss;
            epoch(number + 1, loss);
          },
        },
      });
    } finally {
      tf.dispose([x, y]);
      optimizer.dispose();
    }
    if (!Number.isFinite(loss)) throw new Diverged("The loss is no number any more: the learning rate is too high.");
    return loss;
  }

  loss() {
    if (this.lossName === "mean-squared-error") return "meanSquaredError";
    if (this.lossName === "mean-absolute-error") return "meanAbsoluteError";
    return (y, logits) => tf.losses.softmaxCrossEntropy(y, logits);
  }

  // {accuracy} of a classification, else {error}: the mean absolute error.
  async score(samples) {
    const [x, y] = this.tensors(samples);
    const found = tf.tidy(() => {
      const given = this.model.predict(x, { batchSize: EVALUATION_BATCH });
      if (this.task !== "classification") return tf.mean(tf.abs(tf.sub(given, y)));
      return tf.mean(tf.cast(tf.equal(tf.argMax(given, -1), tf.argMax(y, -1)), "float32"));
    });
    const [value] = await found.data();
    tf.dispose([x, y, found]);
    return this.task === "classification" ? { accuracy: value } : { error: value };
  }

  tensors({ values, count, labels }) {
    return tf.tidy(() => {
      const flat = tf.tensor(values, [count, ...this.inputShape], "float32");
      const x = scaled(flat, this.scaling.mean, this.scaling.deviation);
      if (this.task === "classification") {
        const chosen = tf.oneHot(tf.tensor1d(labels, "int32"), this.outputs);
        return [x, tf.cast(chosen, "float32")];
      }
      if (this.task === "anomaly-detection") return [x, tf.clone(tf.reshape(x, [count, -1]))];
      const targets = tf.tensor(labels, [count, this.outputs], "float32");
      return [x, scaled(targets, this.scaling.target_mean, this.scaling.target_deviation)];
    });
  }
}

// Lets the page react now and then.
function breather() {
  let last = performance.now();
  return async () => {
    if (performance.now() - last < BREATH_MILLISECONDS) return;
    await new Promise((resolve) => {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = () => (port1.close(), resolve());
      port2.postMessage(null); // a timer would be slowed down in the background
    });
    last = performance.now();
  };
}

function scaled(values, mean, deviation) {
  return mean?.length ? tf.div(tf.sub(values, tf.tensor1d(mean)), tf.tensor1d(deviation)) : values;
}
