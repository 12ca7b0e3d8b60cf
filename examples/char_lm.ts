/**
 * A language model of characters (Graves 2013): two LSTM layers read English text (Debian's licences, or a file) and say what
 * comes next. A few windows are learnt by heart first; then all of the training text in windows that begin elsewhere in every
 * epoch, with dropout, clipped gradients and a falling rate, and the weights of the best epoch on held-out text are kept. Bits
 * per character of other held-out text are compared with n-grams' (examples/ngram.ts). The saved model, loaded again, writes.
 */
import { writeFileSync } from 'node:fs';
import { InvalidArgumentError } from 'commander';
import * as gs from '../lib/index.js';
import { CharGenerator } from './char_generator.js';
import { COMMON, exampleCommand, type ExampleOptions, integer, isProgram } from './command.js';
import { ALPHABET, readTexts, splitTexts } from './licence_texts.js';
import { Ngram } from './ngram.js';
import { Random } from './random.js';

const EPOCHS = 24;
/** Characters of a window, which gradients go back through, and of a held-out stretch, which is tested in one piece. */
const STEPS = 128;
const STRETCH = 1024;
const BATCH = 8;
const UNITS = 192;
const EMBEDDED = 32;
/** Embeddings begin between −1 and 1, as large as states get: smaller ones have first to grow. */
const RANGE = 1;
const DROPOUT = 0.4;
const LEARNING_RATE = 8e-3;
const CLIP = 1;
const PATIENCE = 5;
const ORDERS = [3, 4, 5, 6];

export interface CharLmOptions extends ExampleOptions {
  /** A file of English text. Default: the licences. */
  text?: string;
  units: number;
  /** Where the trained model goes. */
  save: string;
  /** How many characters the loaded model writes, and at which temperature. */
  characters: number;
  temperature: number;
}

export interface CharLmResult {
  history: gs.History;
  /** Bits per character of the test's stretches: the network's, and those of n-grams by their order. */
  bits: number;
  ngrams: Record<number, number>;
  /** What the loaded model wrote. */
  sample: string;
}

/** Probabilities of the character after each, for windows of so many. */
function network(steps: number, units: number, rate: number): gs.Model {
  const characters = gs.input({ shape: [steps], dtype: 'int32', name: 'window' });
  const lstm = (name: string) => gs.layers.lstm({ units, returnSequences: true, returnState: true, name });
  const embeddingsInitializer = gs.initializers.randomUniform({ minval: -RANGE, maxval: RANGE });
  const table = { inputDim: ALPHABET.length, outputDim: EMBEDDED, embeddingsInitializer };
  const embedded = gs.layers.embedding({ ...table, name: 'characters' }).apply(characters);
  const [lower] = lstm('lower').applyAll(embedded);
  const [upper] = lstm('upper').applyAll(gs.layers.dropout({ rate }).apply(lower!));
  const thinned = gs.layers.dropout({ rate }).apply(upper!);
  const next = gs.layers.dense({ units: ALPHABET.length, activation: 'softmax', name: 'next' }).apply(thinned);
  return gs.model({ inputs: characters, outputs: next });
}

/** The same layers for windows of another length; without dropout, which only training has. */
function resized(model: gs.Model, steps: number): gs.Model {
  const characters = gs.input({ shape: [steps], dtype: 'int32', name: 'window' });
  const [lower] = model.getLayer('lower').applyAll(model.getLayer('characters').apply(characters));
  const [upper] = model.getLayer('upper').applyAll(lower!);
  return gs.model({ inputs: characters, outputs: model.getLayer('next').apply(upper!) });
}

/** Rows of so many characters, and of those after them. */
function windows(stretches: readonly Int32Array[], steps: number): [gs.Tensor<Int32Array>, gs.Tensor<Int32Array>] {
  const rows = stretches.flatMap((s) =>
    Array.from({ length: Math.floor((s.length - 1) / steps) }, (_, i) => [s, i * steps] as const),
  );
  const side = (shift: number) => {
    const data = new Int32Array(rows.length * steps);
    rows.forEach(([s, start], i) => data.set(s.subarray(start + shift, start + shift + steps), i * steps));
    return gs.tensor(data, [rows.length, steps]);
  };
  return [side(0), side(1)];
}

/** Rows of all the training text that begin at another character in every pass, in random order, in whole batches. */
function shiftingWindows(train: Int32Array, seed: number): { batches: gs.data.Dataset; steps: number } {
  const random = new Random(seed);
  const rows = Math.floor((train.length - 1) / STEPS) - 1;
  const row = (start: number) => gs.tensor(train.subarray(start, start + STEPS), [STEPS]);
  const pass = () => {
    const start = random.integer(STEPS);
    return Array.from({ length: rows }, (_, i) => start + i * STEPS).map((at) => ({ x: row(at), y: row(at + 1) }));
  };
  const batches = gs.data.dataset(pass).shuffle(rows, { seed }).batch(BATCH, { dropRemainder: true });
  return { batches, steps: Math.floor(rows / BATCH) };
}

export async function main(options: Partial<CharLmOptions> = {}): Promise<CharLmResult> {
  const given = {
    ...COMMON,
    epochs: EPOCHS,
    units: UNITS,
    save: 'char_lm.safetensors',
    characters: 600,
    temperature: 0.7,
    ...options,
  };
  const { epochs, seed, device, print, units } = given;
  const { train, validation, test } = splitTexts(readTexts(given.text), STRETCH + 1);
  print(
    `${train.length} characters to train with; held out: ${validation.length} stretches of ${STRETCH + 1} to choose an epoch, ${test.length} to test.`,
  );

  // A network that cannot learn a few windows by heart will not learn a text. By heart needs no dropout.
  const how = { loss: 'sparseCategoricalCrossentropy', device, seed } as const;
  using trial = network(STEPS, units, 0);
  trial.compile({ ...how, optimizer: gs.optimizers.adam({ learningRate: LEARNING_RATE, globalClipNorm: CLIP }) });
  const few = { samples: 4, steps: 400 };
  const { succeeded, losses, reasons } = await gs.recipes.overfitSample(trial, ...windows([train], STEPS), few);
  const [first, last] = [toBits(losses[0]!).toFixed(2), toBits(losses.at(-1)!).toFixed(2)];
  print(`Four windows learnt by heart: ${first} → ${last} bits per character in ${losses.length} steps.`);
  if (!succeeded) print(`That is too little. ${reasons.join(' ')}`);

  const { batches, steps } = shiftingWindows(train, seed);
  using model = network(STEPS, units, DROPOUT);
  const learningRate = gs.schedules.cosineDecay({ initialLearningRate: LEARNING_RATE, decaySteps: epochs * steps });
  model.compile({ ...how, optimizer: gs.optimizers.adam({ learningRate, globalClipNorm: CLIP }) });
  const stopping = gs.callbacks.earlyStopping({ patience: PATIENCE, restoreBestWeights: true });
  const started = performance.now();
  const history = await model.fit(batches, {
    epochs,
    validationData: windows(validation, STEPS),
    callbacks: [stopping],
    onEpochEnd(epoch, { loss, val_loss: held }) {
      print(`epoch ${epoch + 1}/${epochs}: bits per character ${toBits(loss).toFixed(3)}, held out ${toBits(held!).toFixed(3)}`);
    },
  });
  print(
    `Trained in ${((performance.now() - started) / 1000).toFixed(0)} s; the weights of epoch ${stopping.bestEpoch! + 1} stay.`,
  );

  // Every stretch in one piece, from its first character on: the n-grams know no more than that either.
  using tester = resized(model, STRETCH);
  tester.compile({ ...how, optimizer: 'sgd' });
  const bits = toBits((await tester.evaluate(...windows(test, STRETCH), { batchSize: test.length })).loss);
  const ngrams = Object.fromEntries(ORDERS.map((order) => [order, new Ngram(train, order, ALPHABET.length).bits(test)]));
  print(
    `Held-out test: ${bits.toFixed(3)} bits per character. n-grams: ${ORDERS.map((n) => `order ${n} ${ngrams[n]!.toFixed(3)}`).join(', ')}.`,
  );

  await model.save(given.save);
  using again = await gs.loadModel(given.save, { device });
  using generator = new CharGenerator(again, units);
  const sample = await generator.write('\n', given.characters, given.temperature, new Random(seed));
  print(`Saved ${given.save}; loaded again, it writes:\n\n${sample}`);
  return { history, bits, ngrams, sample };
}

function toBits(nats: number): number {
  return nats / Math.LN2;
}

/** Writes everything that another program needs to do the same. */
function exportRecipe(file: string, { epochs, units, text }: CharLmOptions): void {
  const { train, validation, test } = splitTexts(readTexts(text), STRETCH + 1);
  const sizes = { steps: STEPS, batch: BATCH, epochs, units, embedded: EMBEDDED };
  const options = { ...sizes, range: RANGE, dropout: DROPOUT, learningRate: LEARNING_RATE, clip: CLIP, patience: PATIENCE };
  const numbers = { train: [...train], validation: validation.map((s) => [...s]), test: test.map((s) => [...s]) };
  writeFileSync(file, JSON.stringify({ alphabet: ALPHABET, options, ...numbers }));
}

/** A parser of positive numbers for commander. */
function positive(value: string): number {
  const number = Number(value);
  if (!(number > 0)) throw new InvalidArgumentError('Expected a number > 0.');
  return number;
}

if (isProgram(import.meta.url)) {
  const command = exampleCommand('char_lm', 'Learns to write like a text, character by character.', EPOCHS)
    .option('--text <file>', 'English text to learn from; default: the licences of Debian')
    .option('--units <n>', 'units of each LSTM layer', integer(1), UNITS)
    .option('--save <file>', 'where the trained model goes', 'char_lm.safetensors')
    .option('--characters <n>', 'how many the loaded model writes', integer(1), 600)
    .option('--temperature <t>', 'of what it writes: below 1 the likely gets likelier', positive, 0.7)
    .option('--export <file>', 'only write the split text and the recipe as JSON, for bench/peers/char_lm.py');
  const options = command.parse().opts<CharLmOptions & { export?: string }>();
  if (options.export !== undefined) exportRecipe(options.export, options);
  else await main(options);
}
