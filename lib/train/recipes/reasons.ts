/** Why a model could not learn a few rows by heart: what the data, the model and the run tell, in words. */
import { rowsOf, type Samples } from '../../data/samples.js';
import type { Tensor } from '../../data/tensor.js';
import type { GradstepError } from '../../errors.js';
import { relu, sigmoid, softmax, tanh } from '../../activations/index.js';
import { sizeOf } from '../../graph/shape.js';
import type { Finding } from '../diagnostics/findings.js';
import type { ModelCore } from '../model_core.js';

/** The loss is still falling where the last fifth of the run brought it under this part. */
const FALLING = 0.8;

/** Layers that make a step's result random. */
const RANDOM = /Dropout|Noise|Random/;

/** The likeliest first. @param error where the loss was not finite */
export function reasonsOf(
  core: ModelCore,
  samples: Samples,
  losses: readonly number[],
  findings: readonly Finding[],
  error: GradstepError | undefined,
): string[] {
  const { network } = core;
  const found: string[] = [];
  if (!network.weights.some((w) => w.trained)) found.push('Nothing is trained: every layer is frozen; set trainable to true');
  found.push(...dataReasons(samples));
  found.push(...rangeReasons(core, samples));
  if (error) found.push(error.message);
  found.push(...findings.filter((f) => f.kind !== 'notFinite').map((f) => f.message));
  if (network.weights.some((w) => w.trained && w.regularizer)) {
    found.push('Regularizers add to the loss, which then cannot become 0: try without them first');
  }
  const random = network.layers.filter((l) => RANDOM.test(l.layer.className));
  if (random.length > 0) {
    found.push(
      `${random.map((l) => l.name).join(', ')}: what is random in each step cannot be learned by heart; try without first`,
    );
  }
  const earlier = losses[Math.min(losses.length - 2, Math.floor(losses.length * 0.8))];
  if (!error && earlier !== undefined && losses.at(-1)! < FALLING * earlier) {
    found.push('The loss is still falling: allow more steps, or a higher learning rate (gs.recipes.learningRateFinder)');
  }
  if (found.length === 0) {
    found.push(
      'The loss does not fall any further: the model may be too small for these rows, its last layer may not fit the loss, or the learning rate may be wrong (gs.recipes.learningRateFinder)',
    );
  }
  return found;
}

/** What is wrong with the rows themselves. */
function dataReasons({ x, y }: Samples): string[] {
  const rows = rowsOf({ x });
  const reasons: string[] = [];
  for (const [name, list] of Object.entries({ x, y })) {
    if (list.some(({ data }) => data.some((v) => !Number.isFinite(v)))) {
      reasons.push(`The data holds NaN or infinity in ${name}: clean it first`);
    }
  }
  const seen = new Map<string, { row: number; label: string }>();
  const bytes = (list: readonly Tensor[], row: number) =>
    list
      .map((t) => t.rows(row, row + 1).data)
      .map(({ buffer, byteOffset, byteLength }) => Buffer.from(buffer, byteOffset, byteLength).toString('latin1'))
      .join('|');
  for (let row = 0; row < rows; row++) {
    const [input, label] = [bytes(x, row), bytes(y, row)];
    const before = seen.get(input);
    if (before && before.label !== label) {
      reasons.push(
        `Rows ${before.row} and ${row} have the same x but different labels: no model can learn both; check how x is made`,
      );
      break;
    }
    if (!before) seen.set(input, { row, label });
  }
  return reasons;
}

/** Labels that the last activation cannot reach. */
function rangeReasons({ network, compiled }: ModelCore, { y }: Samples): string[] {
  const limits = new Map<unknown, readonly [low: number, high: number, name: string]>([
    [relu, [0, Infinity, 'relu']],
    [sigmoid, [0, 1, 'sigmoid']],
    [tanh, [-1, 1, 'tanh']],
    [softmax, [0, 1, 'softmax']],
  ]);
  return compiled.compared.flatMap(({ name, loss }, i) => {
    const layer = network.layers.find((l) => l.name === name);
    const activation = layer?.layer.options.activation;
    const labels = y[i]!;
    const shape = network.outputs[network.outputNames.indexOf(name)] ?? [];
    if (activation === softmax && shape.at(-1) === 1) {
      return [`${name} applies softmax to a single unit, which is always 1: use sigmoid, or a unit for each class`];
    }
    const limit = limits.get(activation);
    if (!limit || loss!.labels === 'int32' || sizeOf(labels.shape) === 0) return [];
    const [low, high, word] = limit;
    const outside = labels.data.find((v) => v < low || v > high);
    return outside === undefined
      ? []
      : [
          `${name} ends with ${word}, which gives numbers from ${low} to ${high}, but y holds ${outside}: use a linear last layer or scale y`,
        ];
  });
}
