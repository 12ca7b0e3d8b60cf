/**
 * TensorFlow.js on the bench's workloads: backend wasm (with SIMD; on Node.js it has no threads), cpu (plain JavaScript) or node
 * (TensorFlow's own kernels). Layers of tf.layers, data resident as tensors, a batch gathered by row numbers, one update of
 * `optimizer.minimize` a step, no result read but at the end of a chunk. Prints a row of JSON (bench/row.ts); fails with the reason where the
 * backend cannot train the workload. bench/README.md says how to install it.
 *
 *     npx tsx bench/peers/tfjs/tfjs_peer.mjs --workload mlp --backend wasm
 */
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import { Command, Option } from 'commander';
import { peakMegabytes } from '../../peak_memory.ts';
import { median } from '../../row.ts';
import { WORKLOADS } from '../../workloads.ts';

/** A training that takes longer than this to where losses are compared is not waited for, in seconds. */
const PATIENCE = 60;
const MIN_STEPS = 3;

// Keras's first weights; TensorFlow.js has normal ones where Keras has uniform ones.
const kernelInitializer = 'glorotUniform';
const layers = {
  ...tf.layers,
  dense: (options) => tf.layers.dense({ kernelInitializer, ...options }),
  conv2d: (options) => tf.layers.conv2d({ kernelInitializer, ...options }),
  lstm: (options) => tf.layers.lstm({ kernelInitializer, recurrentActivation: 'sigmoid', ...options }),
};

const mlp = (...units) =>
  tf.sequential({
    layers: [
      ...units.map((u, i) => layers.dense({ units: u, activation: 'relu', ...(i === 0 && { inputShape: [784] }) })),
      layers.dense({ units: 10 }),
    ],
  });

const cnn = () =>
  tf.sequential({
    layers: [
      layers.conv2d({ filters: 32, kernelSize: 3, activation: 'relu', inputShape: [28, 28, 1] }),
      layers.conv2d({ filters: 64, kernelSize: 3, activation: 'relu' }),
      layers.maxPooling2d({ poolSize: 2 }),
      layers.dropout({ rate: 0.25 }),
      layers.flatten(),
      layers.dense({ units: 128, activation: 'relu' }),
      layers.dropout({ rate: 0.5 }),
      layers.dense({ units: 10 }),
    ],
  });

function resnet20() {
  const conv = (x, filters, kernelSize, strides) =>
    layers.batchNormalization().apply(layers.conv2d({ filters, kernelSize, strides, padding: 'same', useBias: false }).apply(x));
  const relu = (x) => layers.reLU().apply(x);
  const block = (x, filters, strides) => {
    const residual = conv(relu(conv(x, filters, 3, strides)), filters, 3, 1);
    return relu(layers.add().apply([residual, strides > 1 ? conv(x, filters, 1, strides) : x]));
  };
  const image = tf.input({ shape: [32, 32, 3] });
  let x = relu(conv(image, 16, 3, 1));
  for (const filters of [16, 32, 64]) {
    for (let i = 0; i < 3; i++) x = block(x, filters, i === 0 && filters > 16 ? 2 : 1);
  }
  const features = layers.globalAveragePooling2d({}).apply(x);
  return tf.model({ inputs: image, outputs: layers.dense({ units: 10 }).apply(features) });
}

const languageModel = () =>
  tf.sequential({
    layers: [
      layers.embedding({ inputDim: 96, outputDim: 128, inputLength: 64 }),
      layers.lstm({ units: 256, returnSequences: true }),
      layers.lstm({ units: 256, returnSequences: true }),
      layers.dense({ units: 96 }),
    ],
  });

function lrcn() {
  const frames = (layer, options) => layers.timeDistributed({ layer, ...options });
  const conv = (filters) => layers.conv2d({ filters, kernelSize: 3, padding: 'same', activation: 'relu' });
  return tf.sequential({
    layers: [
      frames(conv(16), { inputShape: [16, 32, 32, 1] }),
      frames(layers.maxPooling2d({ poolSize: 2 })),
      frames(conv(32)),
      frames(layers.maxPooling2d({ poolSize: 2 })),
      frames(layers.flatten()),
      frames(layers.dense({ units: 128, activation: 'relu' })),
      layers.lstm({ units: 128 }),
      layers.dense({ units: 4 }),
    ],
  });
}

const MODELS = {
  mlp_small: () => mlp(128),
  mlp: () => mlp(512, 512),
  cnn_mnist: cnn,
  resnet20,
  lstm_lm: languageModel,
  lrcn,
};

async function useBackend(name) {
  if (name === 'node') {
    await import('@tensorflow/tfjs-node').catch(() => {
      throw new Error('@tensorflow/tfjs-node, or the library that it downloads, is not installed');
    });
  } else if (name === 'wasm') {
    const entry = createRequire(import.meta.url).resolve('@tensorflow/tfjs-backend-wasm');
    setWasmPaths(`${dirname(entry)}/`);
  }
  const backend = name === 'node' ? 'tensorflow' : name;
  if (!(await tf.setBackend(backend))) throw new Error(`The backend ${name} did not start`);
  await tf.ready();
}

/** What trains a step and yields its loss, a tensor. */
function trainer(workload) {
  const model = MODELS[workload.name]();
  const data = workload.data(workload);
  const [x, y] = [data.x, data.y].map((t) => tf.tensor(t.data, t.shape, t.data instanceof Float32Array ? 'float32' : 'int32'));
  const classes = model.outputs[0].shape.at(-1);
  const optimizer = workload.name === 'resnet20' ? tf.train.momentum(0.05, 0.9) : tf.train.adam(1e-3, 0.9, 0.999, 1e-7);
  let [order, at] = [new Int32Array(0), 0];
  return () => {
    if (at >= order.length) [order, at] = [Int32Array.from(tf.util.createShuffledIndices(workload.samples)), 0];
    const rows = order.slice(at, (at += workload.batch));
    return tf.tidy(() => {
      const picked = tf.tensor1d(rows, 'int32');
      const [batch, labels] = [tf.gather(x, picked), tf.oneHot(tf.gather(y, picked), classes)];
      return optimizer.minimize(
        () => {
          const scores = model.apply(batch, { training: true });
          return tf.losses.softmaxCrossEntropy(labels.reshape([-1, classes]), scores.reshape([-1, classes]));
        },
        true,
        model.trainableWeights.map((w) => w.val),
      );
    });
  };
}

/** Trains so many steps; the mean of their losses and the seconds they took. */
async function run(step, steps) {
  const start = performance.now();
  const losses = Array.from({ length: steps }, step);
  await losses.at(-1).data();
  const seconds = (performance.now() - start) / 1e3;
  const mean = tf.tidy(() => tf.mean(tf.stack(losses)));
  const [loss] = await mean.data();
  tf.dispose([...losses, mean]);
  return { seconds, loss };
}

async function main() {
  const {
    workload: name,
    backend,
    seconds,
  } = new Command()
    .requiredOption('--workload <name>')
    .addOption(new Option('--backend <backend>').choices(['wasm', 'cpu', 'node']).makeOptionMandatory())
    .option('--seconds <seconds>', 'time spent on timed steps', Number, 2)
    .parse()
    .opts();
  const workload = WORKLOADS.find((w) => w.name === name);
  await useBackend(backend);
  const step = trainer(workload);
  await run(step, 1);
  const once = (await run(step, 1)).seconds;
  const epoch = workload.samples / workload.batch;
  const before = epoch * (workload.lossEpochs - 1) - 2;
  let loss = null;
  if (once * (before + epoch) <= PATIENCE) {
    if (before > 0) await run(step, before);
    loss = (await run(step, epoch)).loss;
  }
  const chunk = Math.max(1, Math.round(0.1 / once));
  const times = [];
  let total = 0;
  while (times.length * chunk < MIN_STEPS || total < seconds) {
    const { seconds: taken } = await run(step, chunk);
    times.push(taken / chunk);
    total += taken;
  }
  const ms = median(times) * 1e3;
  const version = tf.version['tfjs'];
  const row = {
    implementation: `tfjs ${version} ${backend}`,
    ms_per_step: ms,
    samples_per_s: (workload.batch / ms) * 1e3,
    steps: times.length * chunk,
    loss,
    peak_mb: peakMegabytes(),
  };
  process.stdout.write(`${JSON.stringify(row)}\n`);
}

try {
  await main();
} catch (error) {
  process.stderr.write(`${error.message.split('\n')[0]}\n`);
  process.exitCode = 1;
}
