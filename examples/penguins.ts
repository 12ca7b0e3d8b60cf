/**
 * Classification of a table: the species of 333 penguins of the Palmer archipelago from four measures, the island and the sex
 * (Gorman, Williams & Fraser 2014; the npm package `@observablehq/sample-datasets` has the CSV file). Numbers are normalised by
 * statistics of the training rows, words become rows of zeros and ones, and both happen inside the model: it takes raw rows.
 */
import * as gs from '../lib/index.js';
import { COMMON, epochPrinter, exampleCommand, type ExampleOptions, fileOf, isProgram, percent } from './command.js';

const SPECIES = ['Adelie', 'Chinstrap', 'Gentoo'];
const ISLANDS = ['Biscoe', 'Dream', 'Torgersen'];
const SEXES = ['FEMALE', 'MALE'];
const MEASURES = ['culmen_length_mm', 'culmen_depth_mm', 'flipper_length_mm', 'body_mass_g'];
const EPOCHS = 100;

export interface PenguinsResult {
  history: gs.History;
  /** Share of held-out penguins that are named rightly. */
  accuracy: number;
  /** The same for whoever always names the most frequent species. */
  baseline: number;
}

/** Takes raw rows of a table: what is done to them first is part of the model, and is saved with it. */
function network(statistics: gs.data.Statistics): gs.Model {
  const measures = gs.input({ shape: [MEASURES.length], name: 'measures' });
  const island = gs.input({ shape: [1], dtype: 'int32', name: 'island' });
  const sex = gs.input({ shape: [1], dtype: 'int32', name: 'sex' });
  const features = gs.layers
    .concatenate()
    .apply([
      gs.layers.normalization(statistics).apply(measures),
      gs.layers.categoryEncoding({ numTokens: ISLANDS.length, outputMode: 'oneHot' }).apply(island),
      gs.layers.categoryEncoding({ numTokens: SEXES.length, outputMode: 'oneHot' }).apply(sex),
    ]);
  const hidden = gs.layers.dense({ units: 16, activation: 'relu' }).apply(features);
  const thinned = gs.layers.dropout({ rate: 0.2 }).apply(hidden);
  const species = gs.layers.dense({ units: SPECIES.length, activation: 'softmax' }).apply(thinned);
  return gs.model({ inputs: [measures, island, sex], outputs: species });
}

export async function main(options: Partial<ExampleOptions> = {}): Promise<PenguinsResult> {
  const { epochs, seed, device, print } = { ...COMMON, epochs: EPOCHS, ...options };
  const table = gs.data.csv(fileOf('@observablehq/sample-datasets/penguins.csv'), {
    columns: { measures: MEASURES, island: ['island'], sex: ['sex'] },
    label: 'species',
    types: { species: SPECIES, island: ISLANDS, sex: SEXES },
    missing: 'skip',
  });
  const { x, y } = await table.toTensors();
  const { train: known, validation: held } = gs.data.split(x, y, { validation: 0.3, stratify: true, seed });
  const { train, validation } = gs.data.split(known.x, known.y, { validation: 0.2, stratify: true, seed });
  const statistics = gs.data.statistics(train.x.measures!);
  const how = {
    optimizer: gs.optimizers.adam({ learningRate: 0.01 }),
    loss: 'sparseCategoricalCrossentropy',
    metrics: ['accuracy'],
    device,
    seed,
  } as const;

  // A network that cannot learn a few rows by heart will not learn many: that would be found out here, in no time.
  using trial = network(statistics);
  trial.compile(how);
  const few = Object.fromEntries(Object.entries(train.x).map(([name, column]) => [name, column.rows(0, 16)]));
  const byHeart = await trial.fit(few, train.y.rows(0, 16), { epochs: 100, batchSize: 16 });
  print(`16 penguins learnt by heart: loss ${byHeart.loss[0]!.toFixed(4)} → ${byHeart.loss.at(-1)!.toFixed(4)}.`);

  using model = network(statistics);
  model.compile(how);
  const stopping = gs.callbacks.earlyStopping({ minDelta: 1e-3, patience: 10, restoreBestWeights: true });
  const history = await model.fit(train.x, train.y, {
    epochs,
    batchSize: 32,
    validationData: [validation.x, validation.y],
    callbacks: [stopping],
    onEpochEnd: epochPrinter(epochs, print),
  });
  print(`The best epoch of ${history.epoch.length} was ${stopping.bestEpoch! + 1}: its weights stay.`);

  // Neither training nor the choice of an epoch has seen these.
  const { accuracy } = await model.evaluate(held.x, held.y);
  const counts = SPECIES.map((_, c) => held.y.data.filter((label: number) => label === c).length);
  const baseline = Math.max(...counts) / held.y.shape[0]!;
  print(`Held out: ${held.y.shape[0]} of ${y.shape[0]} penguins.`);
  print(`Accuracy: ${percent(accuracy!)}; the most frequent species would be right for ${percent(baseline)}.`);
  return { history, accuracy: accuracy!, baseline };
}

if (isProgram(import.meta.url)) {
  await main(exampleCommand('penguins', 'Tells species of penguins from measures.', EPOCHS).parse().opts());
}
