/**
 * A denoising autoencoder (Vincent et al. 2008) on digits: convolutions squeeze a noisy picture to a quarter of its side, and
 * transposed ones draw it anew. The noise is a layer, other in every step and gone in prediction; so the data to learn from
 * is clean on both sides, and the pictures of the test get noise of their own. `--png` shows some, by the package `sharp`.
 */
import * as gs from '../lib/index.js';
import { COMMON, epochPrinter, exampleCommand, type ExampleOptions, integer, isProgram } from './command.js';
import { loadDigits, SIDE, slice } from './mnist_data.js';
import { Random } from './random.js';

const TRAIN = 8000;
const TEST = 1000;
const EPOCHS = 6;
const BATCH = 64;
/** Of white, which is 1. */
const NOISE = 0.4;

export interface DenoisingOptions extends ExampleOptions {
  /** How many digits to train with, 8,000 at most; a quarter as many others, 1,000 at most, are for the test. */
  rows: number;
  /** Where to write pictures: noisy, cleaned and clean ones in three rows. Default: nowhere. */
  png?: string;
}

export interface DenoisingResult {
  history: gs.History;
  /** Peak signal-to-noise ratio over all test pixels, in decibels: −10·log₁₀ of the mean squared error. */
  before: number;
  after: number;
}

export async function main(options: Partial<DenoisingOptions> = {}): Promise<DenoisingResult> {
  const { epochs, seed, device, print, rows, png } = { ...COMMON, epochs: EPOCHS, rows: TRAIN, ...options };
  const digits = loadDigits();
  const x = pictures(slice(digits, 0, rows).pixels);
  const tested = Math.min(TEST, Math.ceil(rows / 4));
  const clean = pictures(slice(digits, TRAIN, TRAIN + tested).pixels);
  const random = new Random(seed);
  const noisy = gs.tensor(
    clean.data.map((v) => v + NOISE * random.normal()),
    clean.shape,
  );

  const shrink = { kernelSize: 3, strides: 2, padding: 'same', activation: 'relu' } as const;
  using model = gs.sequential([
    gs.layers.gaussianNoise({ stddev: NOISE, inputShape: [SIDE, SIDE, 1] }),
    gs.layers.conv2d({ filters: 32, ...shrink }),
    gs.layers.conv2d({ filters: 64, ...shrink }),
    gs.layers.conv2dTranspose({ filters: 64, ...shrink }),
    gs.layers.conv2dTranspose({ filters: 32, ...shrink }),
    gs.layers.conv2d({ filters: 1, kernelSize: 3, padding: 'same', activation: 'sigmoid' }),
  ]);
  // By the squared error all-black pictures look good at first, and a sigmoid that is far down there hardly learns any more;
  // the slope of the cross-entropy does not vanish with the sigmoid's.
  model.compile({
    optimizer: gs.optimizers.adam({ learningRate: 2e-3 }),
    loss: 'binaryCrossentropy',
    metrics: ['meanSquaredError'],
    device,
    seed,
  });
  const history = await model.fit(x, x, {
    epochs,
    batchSize: BATCH,
    validationData: [noisy, clean],
    onEpochEnd: epochPrinter(epochs, print),
  });

  const cleaned = await model.predict(noisy, { batchSize: 250 });
  // Light cannot be less than none: cutting noise off there costs nothing, and is what the network is compared with.
  const cut = noisy.data.map((v) => Math.min(Math.max(v, 0), 1));
  const before = decibels(cut, clean.data);
  const after = decibels(cleaned.data, clean.data);
  print(`Signal to noise over ${tested} held-out digits: ${before.toFixed(1)} dB as they are, ${after.toFixed(1)} dB cleaned.`);
  if (png !== undefined) await writeRows(png, [cut, cleaned.data, clean.data]);
  return { history, before, after };
}

/** Bytes as numbers from 0 to 1, [count, 28, 28, 1]. */
function pictures(pixels: Uint8Array): gs.Tensor<Float32Array> {
  return gs.tensor(
    Float32Array.from(pixels, (v) => v / 255),
    [pixels.length / SIDE ** 2, SIDE, SIDE, 1],
  );
}

function decibels(a: Float32Array, b: Float32Array): number {
  const squares = a.reduce((sum, v, i) => sum + (v - b[i]!) ** 2, 0);
  return -10 * Math.log10(squares / a.length);
}

/** The first ten pictures of each, in a row each. */
async function writeRows(file: string, rows: readonly Float32Array[]): Promise<void> {
  const { default: sharp } = await import('sharp');
  const [width, height] = [10 * SIDE, rows.length * SIDE];
  const pixels = Buffer.alloc(width * height);
  rows.forEach((values, row) => {
    for (let i = 0; i < 10 * SIDE ** 2; i++) {
      const [picture, y, column] = [Math.floor(i / SIDE ** 2), Math.floor((i % SIDE ** 2) / SIDE), i % SIDE];
      pixels[(row * SIDE + y) * width + picture * SIDE + column] = Math.round(values[i]! * 255);
    }
  });
  await sharp(pixels, { raw: { width, height, channels: 1 } })
    .png()
    .toFile(file);
}

if (isProgram(import.meta.url)) {
  const command = exampleCommand('denoising_autoencoder', 'Learns to clean noisy digits.', EPOCHS)
    .option('--rows <n>', 'digits to train with, 8000 at most', integer(1), TRAIN)
    .option('--png <file>', 'where to write noisy, cleaned and clean digits');
  await main(command.parse().opts());
}
