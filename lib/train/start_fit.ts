/** From the arguments of `fit` to a run of it: checks, data, validation. */
import { Dataset } from '../data/dataset.js';
import { rowsOfBatches, rowsOf, type Samples } from '../data/samples.js';
import { GradstepError, optionError } from '../errors.js';
import type { Callback } from './callback.js';
import { checkWholeBatches } from './carried.js';
import type { Engine } from './engine.js';
import { ResidentSource, StreamedSource, type EpochSource } from './epoch_source.js';
import { evaluateResident, evaluateStream } from './evaluate.js';
import { fit } from './fit.js';
import type { History, Logs } from './history.js';
import { samplesOf, splitSamples, withClassWeight } from './inputs.js';
import type { Model } from './model.js';
import type { ModelCore } from './model_core.js';
import { withSamples } from './resident.js';
import { checkFitOptions, withoutWeights, type DataLike, type FitOptions, type Labels } from './run_options.js';
import { checkEnds, firstBatches, sampleReader, shapeFrom } from './stream.js';

/** Rows of the chunks in which `batchSize: 'full'` adds up its gradient. */
const CHUNK_ROWS = 256;

type Checked = ReturnType<typeof checkFitOptions>;

/** @param listener hears of training after all callbacks of the options */
export async function startFit(
  model: Model,
  core: ModelCore,
  x: DataLike | Dataset,
  y: Labels,
  options: FitOptions | undefined,
  listener?: Callback,
): Promise<History> {
  const checked = checkFitOptions(options);
  const { initialEpoch, epochs, onEpochEnd } = checked;
  if (initialEpoch >= epochs) {
    throw new GradstepError(
      'ERR_OPTION',
      `Expected fit.epochs to be larger than initialEpoch ${initialEpoch} but received ${epochs}`,
    );
  }
  core.checkResume(checked.resume);
  const given = x instanceof Dataset ? undefined : residentData(core, x, y, checked);
  return core.whileUsable(checked.signal, async (signal) => {
    const run = { ...checked, signal };
    if (!given) await shapeFrom(core, x as Dataset, sampleReader(core), signal);
    const engine = await core.engine();
    const source = given ? residentSource(engine, core, given.samples, run) : streamedSource(engine, core, x as Dataset, run);
    const callbacks = [...run.callbacks, ...(onEpochEnd ? [{ onEpochEnd }] : []), ...(listener ? [listener] : [])];
    return withValidation(engine, core, given?.validation, run, (validate) =>
      fit(engine, { ...run, model, source, validate, callbacks }),
    );
  });
}

function residentData(core: ModelCore, x: DataLike, y: Labels, checked: Checked) {
  if (y === undefined && core.compiled.compared.length > 0) throw optionError('fit.y', 'labels', y);
  core.prepareFor(x);
  const { sampleWeight, classWeight, validationData, validationSplit } = checked;
  const all = samplesOf(core, x, y, { sampleWeight });
  const isSplit = !validationData && validationSplit > 0;
  const [samples, validation] = isSplit ? splitSamples(all, validationSplit) : [all, undefined];
  return { samples: withClassWeight(samples, classWeight), validation };
}

function residentSource(engine: Engine, core: ModelCore, samples: Samples, checked: Checked): EpochSource {
  const { batchSize: size, stepsPerEpoch, shuffle } = checked;
  if (size === 'full' && stepsPerEpoch !== undefined) {
    throw optionError('fit.stepsPerEpoch', "undefined where batchSize is 'full'", stepsPerEpoch);
  }
  const batchSize = Math.min(size === 'full' ? CHUNK_ROWS : size, rowsOf(samples));
  const batchesPerUpdate = size === 'full' ? 'all' : core.batchesPerUpdate;
  return new ResidentSource(engine, samples, { batchSize, batchesPerUpdate, stepsPerEpoch, shuffle });
}

function streamedSource(engine: Engine, core: ModelCore, dataset: Dataset, checked: Checked): EpochSource {
  const { batchSize, stepsPerEpoch, signal, validationSplit, sampleWeight, classWeight } = checked;
  withoutWeights('fit', sampleWeight);
  checkEnds(dataset, stepsPerEpoch, 'fit.stepsPerEpoch');
  if (batchSize === 'full') throw optionError('fit.batchSize', 'number where x is a dataset', batchSize);
  if (validationSplit > 0) throw optionError('fit.validationSplit', '0 where x is a dataset', validationSplit);
  const read = sampleReader(core, classWeight);
  return new StreamedSource(engine, dataset, { batchSize, stepsPerEpoch, batchesPerUpdate: core.batchesPerUpdate, read, signal });
}

/** Has validation data in place while `body` runs. */
function withValidation<T>(
  engine: Engine,
  core: ModelCore,
  split: Samples | undefined,
  checked: Checked,
  body: (validate: (() => Promise<Logs>) | undefined) => Promise<T>,
): Promise<T> {
  const { validationData, validationBatchSize, validationSteps, batchSize: size, signal } = checked;
  const batchSize = validationBatchSize ?? (size === 'full' ? CHUNK_ROWS : size);
  if (validationData instanceof Dataset) {
    const read = sampleReader(core);
    const batches = firstBatches(validationData, batchSize, validationSteps, 'fit.validationSteps');
    return body(() => engine.inference.run(() => evaluateStream(engine, 'validation', batches, read, signal), signal));
  }
  const all =
    split ?? (validationData && samplesOf(core, validationData[0], validationData[1], { sampleWeight: validationData[2] }));
  if (!all) return body(undefined);
  const samples = rowsOfBatches(all, validationSteps, batchSize);
  checkWholeBatches(core.network, rowsOf(samples), batchSize);
  return withSamples(engine, samples, 'validation', () =>
    body(() => engine.inference.run(() => evaluateResident(engine, 'validation', samples, batchSize, signal), signal)),
  );
}
