/** From what a caller gives `fit`, `evaluate` and `predict` to samples that fit the model. */
import {
  classWeightRows,
  inputRows,
  inputShapes,
  labelRows,
  pairSamples,
  rowsOf,
  separate,
  sliceSamples,
  weightRows,
  type Samples,
} from '../data/samples.js';
import type { Tensor } from '../data/tensor.js';
import { GradstepError, optionError } from '../errors.js';
import type { ModelCore } from './model_core.js';
import type { DataLike, Labels } from './run_options.js';

/** Data for each input of a model. */
export function inputsOf({ network, shapeHint }: ModelCore, x: DataLike): Tensor[] {
  const names = network.inputs.map((i) => i.name);
  const parts = separate(x, names, 'x');
  return network.inputs.map(({ shape, dtype }, i) => {
    const reader = network.readerOf(i);
    return inputRows(parts[i]!, shape, reader, dtype, shapeHint);
  });
}

export interface Weighting {
  readonly sampleWeight?: DataLike | undefined;
  readonly classWeight?: ReadonlyMap<number, number> | undefined;
}

/** Data, labels and weights of samples for a compiled model; no labels where no output has a loss. */
export function samplesOf(core: ModelCore, x: DataLike, y: Labels, { sampleWeight, classWeight }: Weighting = {}): Samples {
  const { network, compiled } = core;
  const inputs = inputsOf(core, x);
  const rows = inputs[0]!.shape[0]!;
  const { compared, outputs } = compiled;
  if (compared.length === 0) return unlabelled(inputs, y, { sampleWeight, classWeight });
  const shapes = network.outputsFor(inputShapes({ x: inputs }));
  const names = compared.map((o) => o.name);
  const all = outputs.map((o) => o.name);
  if (y === null) throw optionError('y', 'labels', y);
  const givenLabels = separate(y!, names, 'y', all);
  const labels = compared.map(({ name, loss }, i) => {
    return labelRows(givenLabels[i]!, rows, loss!, shapes[all.indexOf(name)]!, name);
  });
  const given = sampleWeight === undefined ? undefined : separate(sampleWeight, names, 'sampleWeight', all);
  const weights = labels.map((l, i): Tensor | undefined => given && weightRows(given[i]!, l.shape.slice(1), rows));
  return withClassWeight(pairSamples(inputs, labels, weights), classWeight);
}

/** Samples of a model that is compiled without a loss: layers alone say what training minimises. */
function unlabelled(x: Tensor[], y: Labels, weighting: Weighting): Samples {
  const isNone = (part: unknown): boolean => part === undefined || part === null || (Array.isArray(part) && part.every(isNone));
  if (!isNone(y)) throw optionError('y', 'null where compile.loss is null', y);
  for (const [name, given] of Object.entries(weighting)) {
    if (given !== undefined) throw optionError(name, 'undefined where compile.loss is null', given);
  }
  return pairSamples(x, [], []);
}

/** Samples weighted after their classes, where weights of classes are given. */
export function withClassWeight(samples: Samples, classWeight: Weighting['classWeight']): Samples {
  if (!classWeight) return samples;
  const { y, weights } = samples;
  if (y.length === 0) throw optionError('classWeight', 'undefined where compile.loss is null', classWeight);
  if (y.length > 1) throw new GradstepError('ERR_OPTION', 'Expected one output where classWeight is given');
  if (weights[0]) throw new GradstepError('ERR_OPTION', 'Expected sampleWeight or classWeight but received both');
  return { ...samples, weights: [classWeightRows(y[0]!, classWeight)] };
}

/** The last part of the rows for validation, as Keras splits them. */
export function splitSamples(samples: Samples, part: number): [Samples, Samples] {
  const rows = rowsOf(samples);
  // Not what rounding leaves of 1 − 0.8.
  const at = Math.floor(rows * (1 - part) * (1 + 1e-12));
  if (at < 1 || at >= rows) {
    throw new GradstepError(
      'ERR_OPTION',
      `Expected validationSplit to leave rows on both sides but ${part} of ${rows} rows does not`,
    );
  }
  return [sliceSamples(samples, 0, at), sliceSamples(samples, at, rows)];
}
