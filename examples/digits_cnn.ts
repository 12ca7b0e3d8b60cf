/**
 * Digits as well as 8,000 of them teach: a convolutional network with batch normalisation, every digit turned, moved and zoomed
 * a little otherwise in each epoch, and a one-cycle learning rate (Smith & Topin 2018). The split is that of `examples/mnist.ts`.
 */
import * as gs from '../lib/index.js';
import { COMMON, epochPrinter, exampleCommand, type ExampleOptions, integer, isProgram, percent } from './command.js';
import { loadDigits, SIDE, slice } from './mnist_data.js';

const TRAIN = 8000;
const EPOCHS = 20;
const BATCH = 64;

export interface DigitsOptions extends ExampleOptions {
  /** How many digits to train with, 8,000 at most; the 2,000 behind those are held out. */
  rows: number;
}

export interface DigitsResult {
  history: gs.History;
  /** Share of held-out digits that are read rightly. */
  accuracy: number;
}

/** Convolution, batch normalisation, relu: the normalisation has a bias of its own. */
function block(filters: number, kernelSize: number, padding: 'same' | 'valid'): gs.Layer[] {
  return [
    gs.layers.conv2d({ filters, kernelSize, padding, useBias: false }),
    gs.layers.batchNormalization({ momentum: 0.9 }),
    gs.layers.reLU(),
  ];
}

export async function main(options: Partial<DigitsOptions> = {}): Promise<DigitsResult> {
  const { epochs, seed, device, print, rows } = { ...COMMON, epochs: EPOCHS, rows: TRAIN, ...options };
  const digits = loadDigits();
  const trained = slice(digits, 0, rows);
  const held = slice(digits, TRAIN, digits.count);
  const x = gs.tensor(trained.pixels, [trained.count, SIDE, SIDE, 1]);
  const xHeld = gs.tensor(held.pixels, [held.count, SIDE, SIDE, 1]);

  const fillMode = 'constant'; // paper, not a mirror image, beyond the edge
  using model = gs.sequential([
    gs.layers.rescaling({ scale: 1 / 255, inputShape: [SIDE, SIDE, 1] }),
    gs.layers.randomRotation({ factor: 0.03, fillMode }),
    gs.layers.randomTranslation({ heightFactor: 0.08, widthFactor: 0.08, fillMode }),
    gs.layers.randomZoom({ heightFactor: 0.1, widthFactor: 0.1, fillMode }),
    ...block(32, 5, 'valid'),
    gs.layers.maxPooling2d({ poolSize: 2 }),
    ...block(64, 3, 'same'),
    ...block(64, 3, 'same'),
    gs.layers.maxPooling2d({ poolSize: 2 }),
    ...block(128, 3, 'valid'),
    gs.layers.flatten(),
    gs.layers.dropout({ rate: 0.4 }),
    gs.layers.dense({ units: 10, activation: 'softmax' }),
  ]);
  const totalSteps = epochs * Math.ceil(trained.count / BATCH);
  model.compile({
    optimizer: gs.optimizers.adam({ learningRate: gs.schedules.oneCycle({ maxLearningRate: 0.005, totalSteps }) }),
    loss: 'sparseCategoricalCrossentropy',
    metrics: ['accuracy'],
    device,
    seed,
  });
  const started = performance.now();
  const history = await model.fit(x, trained.labels, { epochs, batchSize: BATCH, onEpochEnd: epochPrinter(epochs, print) });
  print(`Trained in ${((performance.now() - started) / 1000).toFixed(0)} s.`);

  const { accuracy } = await model.evaluate(xHeld, held.labels, { batchSize: 250 });
  print(`Held-out accuracy: ${percent(accuracy!)} of ${held.count} digits.`);
  return { history, accuracy: accuracy! };
}

if (isProgram(import.meta.url)) {
  const command = exampleCommand('digits_cnn', 'Reads digits, with batch normalisation and augmentation.', EPOCHS);
  await main(command.option('--rows <n>', 'digits to train with, 8000 at most', integer(1), TRAIN).parse().opts());
}
