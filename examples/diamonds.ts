/**
 * Regression on a table: prices of 53,940 diamonds from weight, measures and three grades (ggplot2's `diamonds`; the npm package
 * `@observablehq/sample-datasets` has the CSV file). Each grade is embedded: the model finds places for its words. Prices spread
 * over two decades, so the model learns their logarithm, by the mean absolute error, which few wild rows cannot rule.
 */
import * as gs from '../lib/index.js';
import { COMMON, epochPrinter, exampleCommand, type ExampleOptions, fileOf, integer, isProgram } from './command.js';

const GRADES = {
  cut: ['Fair', 'Good', 'Very Good', 'Premium', 'Ideal'],
  color: ['D', 'E', 'F', 'G', 'H', 'I', 'J'],
  clarity: ['I1', 'SI2', 'SI1', 'VS2', 'VS1', 'VVS2', 'VVS1', 'IF'],
};
const MEASURES = ['carat', 'depth', 'table', 'x', 'y', 'z'];
const EPOCHS = 20;
const ROWS = 53940;
const BATCH = 256;

export interface DiamondsOptions extends ExampleOptions {
  /** How many diamonds, drawn from the file at random. */
  rows: number;
}

export interface DiamondsResult {
  history: gs.History;
  /** Mean absolute error of held-out prices, in dollars. */
  error: number;
  /** The same for whoever always says the median of the training prices, which no other constant beats on those. */
  baseline: number;
}

export async function main(options: Partial<DiamondsOptions> = {}): Promise<DiamondsResult> {
  const { epochs, seed, device, print, rows } = { ...COMMON, epochs: EPOCHS, rows: ROWS, ...options };
  const table = gs.data.csv(fileOf('@observablehq/sample-datasets/diamonds.csv'), {
    columns: { measures: MEASURES, cut: ['cut'], color: ['color'], clarity: ['clarity'] },
    label: 'price',
    types: GRADES,
  });
  const { x, y } = await table.shuffle(ROWS, { seed }).take(rows).toTensors();
  const { train, validation } = gs.data.split(x, y, { validation: 0.2, seed });

  const measures = gs.input({ shape: [MEASURES.length], name: 'measures' });
  const grades = Object.keys(GRADES).map((name) => gs.input({ shape: [1], dtype: 'int32', name }));
  const embedded = Object.entries(GRADES).map(([name, words], i) => {
    const places = gs.layers.embedding({ inputDim: words.length, outputDim: 3, name: `${name}_places` }).apply(grades[i]!);
    return gs.layers.flatten().apply(places);
  });
  const normalised = gs.layers.normalization(gs.data.statistics(train.x.measures!)).apply(measures);
  let hidden = gs.layers.concatenate().apply([normalised, ...embedded]);
  for (const units of [128, 64]) {
    const sums = gs.layers.dense({ units, useBias: false }).apply(hidden);
    hidden = gs.layers.reLU().apply(gs.layers.batchNormalization({ momentum: 0.9 }).apply(sums));
  }
  const logarithm = gs.layers.dense({ units: 1 }).apply(hidden);
  using model = gs.model({ inputs: [measures, ...grades], outputs: logarithm });
  const steps = epochs * Math.ceil(train.y.shape[0]! / BATCH);
  model.compile({
    optimizer: gs.optimizers.adam({ learningRate: gs.schedules.oneCycle({ maxLearningRate: 0.01, totalSteps: steps }) }),
    loss: 'meanAbsoluteError',
    device,
    seed,
  });
  // Prices around e⁸ dollars: what is left to learn is of the size of 1.
  const target = (prices: gs.Tensor) => Float32Array.from(prices.data, (price) => Math.log(price) - 8);
  const history = await model.fit(train.x, target(train.y), {
    epochs,
    batchSize: BATCH,
    validationData: [validation.x, target(validation.y)],
    onEpochEnd: epochPrinter(epochs, print),
  });

  const predicted = await model.predict(validation.x, { batchSize: 1024 });
  const truth = validation.y.data;
  const meanError = (guess: (i: number) => number) =>
    Array.from(truth, (price, i) => Math.abs(guess(i) - price)).reduce((a, b) => a + b, 0) / truth.length;
  const error = meanError((i) => Math.exp(predicted.data[i]! + 8));
  const median = Float32Array.from(train.y.data).sort()[train.y.data.length >> 1]!;
  const baseline = meanError(() => median);
  print(`Held out: ${truth.length} of ${y.shape[0]} diamonds.`);
  print(`Prices are missed by ${error.toFixed(0)} dollars on average; saying ${median} always, by ${baseline.toFixed(0)}.`);
  return { history, error, baseline };
}

if (isProgram(import.meta.url)) {
  const command = exampleCommand('diamonds', 'Estimates prices of diamonds.', EPOCHS);
  await main(command.option('--rows <n>', 'diamonds to take', integer(100), ROWS).parse().opts());
}
