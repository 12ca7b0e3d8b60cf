/**
 * Recognising actions with a long-term recurrent convolutional network (LRCN, Donahue et al. 2015): convolutions look at every
 * frame on its own, an LSTM at what they saw in a row. Real digits move in one of four directions; the clips (digit_motions.ts)
 * are so made that only the order of frames tells which. Two controls show that: the same network trained with one frame of
 * each clip, and with all of them shuffled, can do no better than guess. Held-out clips show digits that no training clip shows.
 */
import * as gs from '../lib/index.js';
import { COMMON, epochPrinter, exampleCommand, type ExampleOptions, integer, isProgram, percent } from './command.js';
import { type Clips, FRAME_SIDE, makeClips, MOTIONS, shuffledFrames, singleFrames } from './digit_motions.js';
import { loadDigits, slice } from './mnist_data.js';
import { Random } from './random.js';

const EPOCHS = 3;
const CLIPS = 4000;
const HELD = 1000;
const BATCH = 32;
const TRAIN_DIGITS = 8000;

export interface MovingDigitsOptions extends ExampleOptions {
  /** Clips to train with; a quarter as many, 1,000 at most, are held out. */
  clips: number;
  /** Whether to train the controls as well. */
  controls: boolean;
}

export interface MovingDigitsResult {
  history: gs.History;
  /** Share of held-out clips whose motion is recognised. */
  accuracy: number;
  /** The same for whoever sees one frame of each clip, and for whoever sees the frames in another order. */
  single?: number;
  shuffled?: number;
}

/** What sees one frame, at every step of so many, and what remembers. */
function network(frames: number): gs.Model {
  const eachFrame = (layer: gs.Layer) => gs.layers.timeDistributed({ layer });
  const look = { kernelSize: 3, padding: 'same', activation: 'relu' } as const;
  return gs.sequential([
    gs.layers.rescaling({ scale: 1 / 255, inputShape: [frames, FRAME_SIDE, FRAME_SIDE, 1] }),
    eachFrame(gs.layers.conv2d({ filters: 16, ...look })),
    eachFrame(gs.layers.maxPooling2d({ poolSize: 2 })),
    eachFrame(gs.layers.conv2d({ filters: 32, ...look })),
    eachFrame(gs.layers.maxPooling2d({ poolSize: 2 })),
    eachFrame(gs.layers.flatten()),
    eachFrame(gs.layers.dense({ units: 128 })),
    // No frame tells anything, only products of what two of them show: of small numbers those are too small to learn from.
    gs.layers.layerNormalization(),
    gs.layers.reLU(),
    gs.layers.lstm({ units: 128 }),
    gs.layers.dense({ units: MOTIONS.length, activation: 'softmax' }),
  ]);
}

export async function main(options: Partial<MovingDigitsOptions> = {}): Promise<MovingDigitsResult> {
  const given = { ...COMMON, epochs: EPOCHS, clips: CLIPS, controls: true, ...options };
  const { seed, print, clips } = given;
  const heldClips = Math.min(HELD, Math.ceil(clips / 4));
  const digits = loadDigits();
  const random = new Random(seed);
  const train = makeClips(slice(digits, 0, TRAIN_DIGITS), clips, random);
  const held = makeClips(slice(digits, TRAIN_DIGITS, digits.count), heldClips, random);

  // A network that cannot learn a few clips by heart will not learn many.
  using trial = compiled(train, given);
  const few = { samples: 16, steps: 200 };
  const { succeeded, losses, reasons } = await gs.recipes.overfitSample(trial, train.x, train.y, few);
  print(`16 clips learnt by heart: loss ${losses[0]!.toFixed(4)} → ${losses.at(-1)!.toFixed(4)} in ${losses.length} steps.`);
  if (!succeeded) print(`That is too little. ${reasons.join(' ')}`);

  const { history, accuracy } = await learn('All frames in order', train, held, given);
  if (!given.controls) return { history, accuracy };
  const one = await learn('One frame', singleFrames(train, random), singleFrames(held, random), given);
  const other = await learn('Shuffled frames', shuffledFrames(train, random), shuffledFrames(held, random), given);
  const guess = 1 / MOTIONS.length;
  const deviation = Math.sqrt((guess * (1 - guess)) / heldClips);
  print(`Guessing comes to ${percent(guess)}, with a standard deviation of ${percent(deviation)} over ${heldClips} clips.`);
  return { history, accuracy, single: one.accuracy, shuffled: other.accuracy };
}

/** A new network for clips of that length. */
function compiled({ x }: Clips, { device, seed }: ExampleOptions): gs.Model {
  const model = network(x.shape[1]!);
  const optimizer = gs.optimizers.adam({ learningRate: 1e-3 });
  model.compile({ optimizer, loss: 'sparseCategoricalCrossentropy', metrics: ['accuracy'], device, seed });
  return model;
}

/** Trains a new network, and says how much of what is held out it recognises. */
async function learn(
  name: string,
  train: Clips,
  held: Clips,
  options: ExampleOptions,
): Promise<{ history: gs.History; accuracy: number }> {
  const { epochs, print } = options;
  using model = compiled(train, options);
  print(`${name}: ${train.y.data.length} clips to train with.`);
  const started = performance.now();
  const history = await model.fit(train.x, train.y, { epochs, batchSize: BATCH, onEpochEnd: epochPrinter(epochs, print) });
  const seconds = ((performance.now() - started) / 1000).toFixed(0);
  const { accuracy } = await model.evaluate(held.x, held.y, { batchSize: 100 });
  print(`${name}: ${percent(accuracy!)} of ${held.y.data.length} held-out clips are recognised; trained in ${seconds} s.`);
  return { history, accuracy: accuracy! };
}

if (isProgram(import.meta.url)) {
  const command = exampleCommand('moving_digits', 'Tells which way digits move.', EPOCHS)
    .option('--clips <n>', 'clips to train with', integer(4), CLIPS)
    .option('--no-controls', 'train without the controls');
  await main(command.parse().opts());
}
