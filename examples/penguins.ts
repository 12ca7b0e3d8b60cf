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

export async function main(options: Partial<ExampleOptions> = {}): Promise<PenguinsResult> {
  const { epochs, seed, device, print } = { ...COMMON, epochs: EPOCHS, ...options };
  const table = gs.data.csv(fileOf('@observablehq/sample-datasets/penguins.csv'), {
    columns: { measures: MEASURES, island: ['island'], sex: ['sex'] },
    label: 'species',
    types: { species: SPECIES, island: ISLANDS, sex: SEXES },
    missing: 'skip',
  });
  const { x, y } = await table.toTensors();
  const { train, validation } = gs.data.split(x, y, { validation: 0.3, stratify: true, seed });

  const measures = gs.input({ shape: [MEASURES.length], name: 'measures' });
  const island = gs.input({ shape: [1], dtype: 'int32', name: 'island' });
  const sex = gs.input({ shape: [1], dtype: 'int32', name: 'sex' });
  const features = gs.layers
    .concatenate()
    .apply([
      gs.layers.normalization(gs.data.statistics(train.x.measures!)).apply(measures),
      gs.layers.categoryEncoding({ numTokens: ISLANDS.length, outputMode: 'oneHot' }).apply(island),
      gs.layers.categoryEncoding({ numTokens: SEXES.length, outputMode: 'oneHot' }).apply(sex),
    ]);
  const hidden = gs.layers.dense({ units: 16, activation: 'relu' }).apply(features);
  const thinned = gs.layers.dropout({ rate: 0.2 }).apply(hidden);
  const species = gs.layers.dense({ units: SPECIES.length, activation: 'softmax' }).apply(thinned);
  using model = gs.model({ inputs: [measures, island, sex], outputs: species });
  model.compile({
    optimizer: gs.optimizers.adam({ learningRate: 0.01 }),
    loss: 'sparseCategoricalCrossentropy',
    metrics: ['accuracy'],
    device,
    seed,
  });
  const history = await model.fit(train.x, train.y, {
    epochs,
    batchSize: 32,
    validationData: [validation.x, validation.y],
    onEpochEnd: epochPrinter(epochs, print),
  });

  const { accuracy } = await model.evaluate(validation.x, validation.y);
  const counts = SPECIES.map((_, c) => validation.y.data.filter((label: number) => label === c).length);
  const baseline = Math.max(...counts) / validation.y.shape[0]!;
  print(`Held out: ${validation.y.shape[0]} of ${y.shape[0]} penguins.`);
  print(`Accuracy: ${percent(accuracy!)}; the most frequent species would be right for ${percent(baseline)}.`);
  return { history, accuracy: accuracy!, baseline };
}

if (isProgram(import.meta.url)) {
  await main(exampleCommand('penguins', 'Tells species of penguins from measures.', EPOCHS).parse().opts());
}
