/**
 * Forecasting a series: the highest temperatures of the next seven days in Seattle and New York, from eight weeks of weather, by a
 * GRU (Cho et al. 2014). The npm package `@observablehq/sample-datasets` has the years 2012 to 2015, a row a day. The first two
 * are for training, the third chooses the best epoch, the last is the test; what is normalised is normalised by the first two.
 * It is compared with what needs no model: the last day's value, the values of a year before, and what is usual at that season.
 */
import * as gs from '../lib/index.js';
import { COMMON, epochPrinter, exampleCommand, type ExampleOptions, fileOf, integer, isProgram } from './command.js';

const CITIES = ['Seattle', 'New York'];
const MEASURES = ['temp_max', 'temp_min', 'precipitation', 'wind'];
/** Days that are looked at, and days that are forecast. */
const HISTORY = 56;
const AHEAD = 7;
const EPOCHS = 40;
const UNITS = 32;
const YEAR = 365;
/** First days of the periods: 1 January of 2012, 2014 and 2015, and the end. */
const PERIODS = { train: [0, 731], validation: [731, 1096], test: [1096, 1461] } as const;
/** Days to each side that tell what is usual at a season. */
const SEASON = 15;

export interface ForecastingOptions extends ExampleOptions {
  units: number;
}

/** How far forecasts of the test year are off, in degrees Celsius: over all seven days, and for the first of them. */
export interface Errors {
  meanAbsolute: number;
  rootMeanSquared: number;
  firstDay: number;
}

export interface ForecastingResult {
  history: gs.History;
  model: Errors;
  /** As warm as on the last day. */
  lastValue: Errors;
  /** As warm as on the same day a year before. */
  yearBefore: Errors;
  /** The mean of 31 days around that day over the years before. */
  usual: Errors;
}

/** A place and a day to forecast from: the first day that is not known. */
interface Origin {
  /** Highest temperatures of the place, a number a day. */
  highs: Float32Array;
  /** What is known of each day, [days, features]. */
  days: gs.Tensor<Float32Array>;
  day: number;
}

export async function main(options: Partial<ForecastingOptions> = {}): Promise<ForecastingResult> {
  const { epochs, seed, device, print, units } = { ...COMMON, epochs: EPOCHS, units: UNITS, ...options };
  const cities = await readCities();
  // All seven days of a forecast lie in its period. What is looked at may lie before: by then it is known.
  const origins = ([begin, end]: readonly [number, number]): Origin[] =>
    cities.flatMap((city) =>
      Array.from({ length: end - begin - AHEAD + 1 }, (_, i) => ({ ...city, day: begin + i })).filter(
        ({ day }) => day >= HISTORY,
      ),
    );
  const [train, validation, test] = [origins(PERIODS.train), origins(PERIODS.validation), origins(PERIODS.test)];

  const trainDays = cities.map(({ days }) => days.rows(...PERIODS.train));
  const features = trainDays[0]!.shape[1]!;
  const known = gs.tensor(Float32Array.from(trainDays.flatMap(({ data }) => [...data])), [
    PERIODS.train[1] * cities.length,
    features,
  ]);
  const statistics = gs.data.statistics(known);
  const [mean, variance] = [statistics.mean[0]!, statistics.variance[0]!];
  const build = () =>
    gs.sequential([
      gs.layers.normalization({ ...statistics, inputShape: [HISTORY, features] }),
      gs.layers.gru({ units }),
      gs.layers.dropout({ rate: 0.4 }),
      gs.layers.dense({ units: AHEAD }),
      gs.layers.normalization({ mean, variance, invert: true }), // degrees again
    ]);
  const how = { loss: 'meanAbsoluteError', device, seed } as const;

  // A network that cannot learn a few weeks by heart will not learn years.
  using trial = build();
  trial.compile({ ...how, optimizer: gs.optimizers.adam({ learningRate: 0.01 }) });
  const { succeeded, losses, reasons } = await gs.recipes.overfitSample(trial, ...samples(train), { samples: 8, target: 0.1 });
  print(
    `Eight forecasts learnt by heart: off by ${losses[0]!.toFixed(2)} → ${losses.at(-1)!.toFixed(2)} °C in ${losses.length} steps.`,
  );
  if (!succeeded) print(`That is too little. ${reasons.join(' ')}`);

  using model = build();
  model.compile({ ...how, optimizer: gs.optimizers.adamW({ learningRate: 0.003, weightDecay: 0.01 }) });
  const stopping = gs.callbacks.earlyStopping({ patience: 10, restoreBestWeights: true });
  const history = await model.fit(...samples(train), {
    epochs,
    validationData: samples(validation),
    callbacks: [stopping],
    onEpochEnd: epochPrinter(epochs, print),
  });
  print(`The best epoch of ${history.epoch.length} was ${stopping.bestEpoch! + 1}: its weights stay.`);

  const [x] = samples(test);
  const { data } = await model.predict(x, { batchSize: 256 });
  const result = {
    model: errors(test, (_, ahead, i) => data[i * AHEAD + ahead]!),
    lastValue: errors(test, ({ highs, day }) => highs[day - 1]!),
    yearBefore: errors(test, ({ highs, day }, ahead) => highs[day + ahead - YEAR]!),
    usual: errors(test, ({ highs, day }, ahead) => usual(highs, day + ahead)),
  };
  print(
    `${test.length} forecasts of ${AHEAD} days in 2015, off by (mean absolute error, root mean squared error, and of the first day):`,
  );
  for (const [name, { meanAbsolute, rootMeanSquared, firstDay }] of Object.entries(result)) {
    print(`${name.padEnd(10)} ${[meanAbsolute, rootMeanSquared, firstDay].map((e) => `${e.toFixed(2)} °C`).join('  ')}`);
  }
  return { history, ...result };
}

/** What is known of each day in each city: four measures, the season as a point on a circle, and which city it is. */
async function readCities(): Promise<Omit<Origin, 'day'>[]> {
  const table = gs.data.csv(fileOf('@observablehq/sample-datasets/weather.csv'), {
    columns: { measures: MEASURES, city: ['location'] },
    types: { location: CITIES },
  });
  const { measures, city } = (await table.toTensors()).x;
  return CITIES.map((_, number) => {
    const rows = [...city!.data.keys()].filter((row) => city!.data[row] === number);
    const days = rows.map((row, day) => {
      const [high, low, rain, wind] = measures!.rows(row, row + 1).data;
      const season = (2 * Math.PI * day) / 365.25;
      return [high!, low!, Math.log1p(rain!), wind!, Math.sin(season), Math.cos(season), number];
    });
    return { highs: Float32Array.from(days, ([high]) => high!), days: gs.tensor(days) as gs.Tensor<Float32Array> };
  });
}

/** The weeks before each origin, [origins, 56, features], and the temperatures of the days after it, [origins, 7]. */
function samples(origins: readonly Origin[]): [gs.Tensor<Float32Array>, gs.Tensor<Float32Array>] {
  const features = origins[0]!.days.shape[1]!;
  const x = new Float32Array(origins.length * HISTORY * features);
  const y = new Float32Array(origins.length * AHEAD);
  origins.forEach(({ highs, days, day }, i) => {
    x.set(days.rows(day - HISTORY, day).data, i * HISTORY * features);
    y.set(highs.subarray(day, day + AHEAD), i * AHEAD);
  });
  return [gs.tensor(x, [origins.length, HISTORY, features]), gs.tensor(y, [origins.length, AHEAD])];
}

/** The mean of the days around the same day of every year before the test's. */
function usual(highs: Float32Array, day: number): number {
  const around = Array.from({ length: 2 * SEASON + 1 }, (_, i) => day - SEASON + i);
  const days = [1, 2, 3].flatMap((years) => around.map((d) => d - years * YEAR)).filter((d) => d >= 0 && d < PERIODS.test[0]);
  return days.reduce((sum, d) => sum + highs[d]!, 0) / days.length;
}

/** How far forecasts are off: `forecast(origin, ahead, i)` is that of day `origin.day + ahead`. */
function errors(origins: readonly Origin[], forecast: (origin: Origin, ahead: number, i: number) => number): Errors {
  const off = origins.map((origin, i) =>
    Array.from({ length: AHEAD }, (_, ahead) => Math.abs(forecast(origin, ahead, i) - origin.highs[origin.day + ahead]!)),
  );
  const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
  return {
    meanAbsolute: mean(off.flat()),
    rootMeanSquared: Math.sqrt(mean(off.flat().map((e) => e * e))),
    firstDay: mean(off.map(([first]) => first!)),
  };
}

if (isProgram(import.meta.url)) {
  const command = exampleCommand('forecasting', 'Forecasts the temperatures of the next week.', EPOCHS);
  await main(command.option('--units <n>', 'units of the GRU', integer(1), UNITS).parse().opts());
}
