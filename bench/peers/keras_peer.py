"""Keras on TensorFlow on the bench's workloads: its own train_step, run over many batches inside one tf.function, which gathers each
batch by row numbers (a tf.data pipeline costs more than a small step); with --jit a step is compiled by XLA. bfloat16 is
Keras's policy mixed_bfloat16. bench/README.md says how to install it.

    python bench/peers/keras_peer.py --workload mlp [--jit] [--threads 1] [--precision bfloat16]
"""

import argparse
import os

os.environ["KERAS_BACKEND"] = "tensorflow"

import keras  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402
from keras import layers  # noqa: E402

import peer  # noqa: E402
from workload_data import Workload  # noqa: E402


def scores(classes: int) -> list[layers.Layer]:
    """The last layer, whose result is float32 in every policy."""
    return [layers.Dense(classes), layers.Activation("linear", dtype="float32")]


def mlp(*units: int) -> list[layers.Layer]:
    return [layers.Input((784,)), *(layers.Dense(u, activation="relu") for u in units), *scores(10)]


def cnn() -> list[layers.Layer]:
    return [
        layers.Input((28, 28, 1)), layers.Conv2D(32, 3, activation="relu"), layers.Conv2D(64, 3, activation="relu"),
        layers.MaxPooling2D(2), layers.Dropout(0.25), layers.Flatten(), layers.Dense(128, activation="relu"),
        layers.Dropout(0.5), *scores(10),
    ]  # fmt: skip


def language_model() -> list[layers.Layer]:
    lstms = [layers.LSTM(256, return_sequences=True) for _ in range(2)]
    return [layers.Input((64,), dtype="int32"), layers.Embedding(96, 128), *lstms, *scores(96)]


def lrcn() -> list[layers.Layer]:
    def conv(filters: int) -> layers.Layer:
        return layers.Conv2D(filters, 3, padding="same", activation="relu")

    frames = [conv(16), layers.MaxPooling2D(2), conv(32), layers.MaxPooling2D(2), layers.Flatten()]
    frames.append(layers.Dense(128, activation="relu"))
    # As a model of one frame, so that frames become rows once and not at every layer.
    frame = keras.Sequential([layers.Input((32, 32, 1)), *frames])
    return [layers.Input((16, 32, 32, 1)), layers.TimeDistributed(frame), layers.LSTM(128), *scores(4)]


def resnet20() -> keras.Model:
    def conv(x, filters: int, size: int, strides: int):
        x = layers.Conv2D(filters, size, strides=strides, padding="same", use_bias=False)(x)
        return layers.BatchNormalization()(x)

    def block(x, filters: int, strides: int):
        y = layers.ReLU()(conv(x, filters, 3, strides))
        y = conv(y, filters, 3, 1)
        return layers.ReLU()(layers.Add()([y, conv(x, filters, 1, strides) if strides > 1 else x]))

    image = layers.Input((32, 32, 3))
    x = layers.ReLU()(conv(image, 16, 3, 1))
    for filters in (16, 32, 64):
        for i in range(3):
            x = block(x, filters, 2 if i == 0 and filters > 16 else 1)
    x = layers.GlobalAveragePooling2D()(x)
    for layer in scores(10):
        x = layer(x)
    return keras.Model(image, x)


MODELS = {
    "mlp_small": lambda: keras.Sequential(mlp(128)),
    "mlp": lambda: keras.Sequential(mlp(512, 512)),
    "cnn_mnist": lambda: keras.Sequential(cnn()),
    "resnet20": resnet20,
    "resnet20_512": resnet20,
    "lstm_lm": lambda: keras.Sequential(language_model()),
    "lrcn": lambda: keras.Sequential(lrcn()),
}


class Trainer:
    together = 1

    def __init__(self, options: argparse.Namespace, workload: Workload):
        if options.device == "cpu":
            tf.config.set_visible_devices([], "GPU")
            tf.config.threading.set_intra_op_parallelism_threads(options.threads)
            tf.config.threading.set_inter_op_parallelism_threads(options.threads)
            peer.keep_to(options.threads)
        elif not tf.config.list_physical_devices("GPU"):
            raise SystemExit("TensorFlow sees no GPU")
        tf.config.experimental.enable_tensor_float_32_execution(False)
        keras.utils.set_random_seed(1)
        if options.precision == "bfloat16":
            keras.mixed_precision.set_global_policy("mixed_bfloat16")
        self.name = f"keras {keras.__version__}, tensorflow {tf.__version__}{' jit' if options.jit else ''}"
        self.batch = workload.batch
        inputs, labels = workload.data(workload.samples)
        if options.workload == "cnn_mnist":
            inputs = inputs.reshape(-1, 28, 28, 1)
        x = tf.constant(inputs.astype("int32") if inputs.dtype.kind == "i" else inputs)
        y = tf.constant(labels.astype("int32"))
        del inputs, labels
        self.samples = len(x)
        self.random = np.random.default_rng(1)
        self.order = np.zeros((0, self.batch), np.int32)

        model = MODELS[options.workload]()
        adam = keras.optimizers.Adam(1e-3, epsilon=1e-7)
        optimizer = adam if workload.optimizer == "adam" else keras.optimizers.SGD(0.05, momentum=0.9)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(optimizer, loss, jit_compile=options.jit)
        optimizer.build(model.trainable_variables)

        @tf.function(jit_compile=options.jit)
        def step(rows):
            return model.train_step((tf.gather(x, rows), tf.gather(y, rows)))["loss"]

        @tf.function(input_signature=[tf.TensorSpec([None, self.batch], tf.int32)])
        def run(order):
            loss = tf.constant(0.0)
            for rows in order:
                loss = step(tf.ensure_shape(rows, [self.batch]))
            return loss

        self.model, self.run = model, run

    def train(self, steps: int, losses: bool) -> float | None:
        while len(self.order) < steps:
            epoch = self.random.permutation(self.samples).astype(np.int32).reshape(-1, self.batch)
            self.order = np.concatenate([self.order, epoch])
        rows, self.order = self.order[:steps], self.order[steps:]
        if losses:
            # What train_step yields is the mean of all losses since the last reset.
            self.model.reset_metrics()
        loss = float(self.run(tf.constant(rows)))
        return loss if losses else None


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Times Keras on TensorFlow on one of the bench's workloads.")
    parser.add_argument("--jit", action="store_true")
    peer.main(parser, Trainer)
