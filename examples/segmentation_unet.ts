/**
 * Segmentation with a small U-Net (Ronneberger, Fischer & Brox 2015): which pixel of a scene belongs to which digit. On the way
 * down the net sees more and more of the scene, on the way up it is reminded of where things were by what it knew at that size.
 * Most pixels are paper, so the share of right ones says little: the mean of intersection over union counts each class alike.
 */
import * as gs from '../lib/index.js';
import { COMMON, epochPrinter, exampleCommand, type ExampleOptions, integer, isProgram, percent } from './command.js';
import { CANVAS, CLASSES, composeScenes } from './digit_scenes.js';
import { loadDigits, slice } from './mnist_data.js';
import { Random } from './random.js';

const TRAIN_DIGITS = 8000;
const SCENES = 3000;
const EPOCHS = 12;
const BATCH = 32;
const PER_SCENE = 2;

export interface SegmentationOptions extends ExampleOptions {
  /** How many scenes to train with; a quarter as many, of digits that were held out, are for the test. */
  rows: number;
  /** Channels at the full size; twice as many at half of it, and so on. */
  filters: number;
}

export interface SegmentationResult {
  history: gs.History;
  /** Shape of what the model predicts for a scene. */
  shape: readonly number[];
  /** Of the held-out scenes. */
  accuracy: number;
  meanIoU: number;
  dice: number;
  /** Accuracy and mean intersection over union of whoever calls every pixel paper. */
  baseline: { accuracy: number; meanIoU: number };
}

/** Two convolutions, each with batch normalisation and relu. */
function pair(x: gs.SymbolicTensor, filters: number): gs.SymbolicTensor {
  const layers = [1, 2].flatMap(() => [
    gs.layers.conv2d({ filters, kernelSize: 3, padding: 'same', useBias: false }),
    gs.layers.batchNormalization({ momentum: 0.9 }),
    gs.layers.reLU(),
  ]);
  return layers.reduce((value, layer) => layer.apply(value), x);
}

/** Four sizes, each half the one before; the smallest sees whole digits. */
export function unet(filters: number): gs.Model {
  const scene = gs.input({ shape: [CANVAS, CANVAS, 1] });
  let value = gs.layers.rescaling({ scale: 1 / 255 }).apply(scene);
  const skips: gs.SymbolicTensor[] = [];
  for (const channels of [filters, 2 * filters, 4 * filters]) {
    value = pair(value, channels);
    skips.unshift(value);
    value = gs.layers.maxPooling2d({ poolSize: 2 }).apply(value);
  }
  value = pair(value, 8 * filters);
  for (const skip of skips) {
    const channels = skip.shape.at(-1)!;
    const larger = gs.layers.conv2dTranspose({ filters: channels, kernelSize: 2, strides: 2 }).apply(value);
    value = pair(gs.layers.concatenate().apply([skip, larger]), channels);
  }
  const classes = gs.layers.conv2d({ filters: CLASSES, kernelSize: 1, activation: 'softmax' }).apply(value);
  return gs.model({ inputs: scene, outputs: classes });
}

export async function main(options: Partial<SegmentationOptions> = {}): Promise<SegmentationResult> {
  const settings = { ...COMMON, epochs: EPOCHS, rows: SCENES, filters: 12, ...options };
  const { epochs, seed, device, print, rows, filters } = settings;
  const digits = loadDigits();
  const random = new Random(seed);
  const train = composeScenes(slice(digits, 0, TRAIN_DIGITS), rows, PER_SCENE, random);
  const held = composeScenes(slice(digits, TRAIN_DIGITS, digits.count), Math.ceil(rows / 4), PER_SCENE, random);

  using model = unet(filters);
  const totalSteps = epochs * Math.ceil(rows / BATCH);
  model.compile({
    optimizer: gs.optimizers.adam({ learningRate: gs.schedules.oneCycle({ maxLearningRate: 0.01, totalSteps }) }),
    loss: 'sparseCategoricalCrossentropy',
    metrics: ['accuracy', gs.metrics.meanIoU(), gs.metrics.dice()],
    device,
    seed,
  });
  const history = await model.fit(train.x, train.y, {
    epochs,
    batchSize: BATCH,
    validationData: [held.x, held.y],
    onEpochEnd: epochPrinter(epochs, print),
  });

  const { accuracy, meanIoU, dice } = await model.evaluate(held.x, held.y);
  const { shape } = await model.predict(held.x.rows(0, 1));
  const paper = held.y.data.filter((label) => label === 0).length / held.y.data.length;
  const present = new Set(held.y.data).size;
  const baseline = { accuracy: paper, meanIoU: paper / present };
  print(
    `${held.x.shape[0]} held-out scenes: ${percent(accuracy!)} of pixels right, mean IoU ${meanIoU!.toFixed(3)}, Dice ${dice!.toFixed(3)}.`,
  );
  print(`Calling all of it paper: ${percent(paper)} of pixels right, mean IoU ${baseline.meanIoU.toFixed(3)}.`);
  return { history, shape: shape.slice(1), accuracy: accuracy!, meanIoU: meanIoU!, dice: dice!, baseline };
}

if (isProgram(import.meta.url)) {
  const command = exampleCommand('segmentation_unet', 'Finds which pixels belong to which digit.', EPOCHS)
    .option('--rows <n>', 'scenes to train with', integer(4), SCENES)
    .option('--filters <n>', 'channels at the full size', integer(1), 12);
  await main(command.parse().opts());
}
