/**
 * What the numbers of diagnosed steps mean. The bounds stand here together. Signs that one batch can show by chance count when
 * two diagnosed steps in a row show them. Where the rate is too high or gradients explode, everything else that is sick
 * follows from it, so only that is said.
 */
import type { Diagnosis, LayerDiagnosis } from './report.js';

export type FindingKind =
  | 'vanishingGradient'
  | 'explodingGradient'
  | 'deadUnits'
  | 'saturatedUnits'
  | 'learningRateTooHigh'
  | 'learningRateTooLow'
  | 'notFinite';

export interface Finding {
  readonly kind: FindingKind;
  /** Where it was seen; undefined for the model as a whole. */
  readonly layer?: string;
  /** What is seen, and what usually helps. */
  readonly message: string;
}

export const BOUNDS = {
  /** Root mean square that weights count as at least, so that those which begin at zero may grow. */
  size: 0.05,
  /** Root mean square of a layer's gradient, over that of a later layer: below, it vanishes. */
  vanishing: 1e-4,
  /** Norm of the gradient over the norm of the weights: above, it explodes. */
  exploding: 1e3,
  /** Root mean square of a layer's gradient, over the smallest of a later layer: above, it explodes. */
  growing: 1e4,
  /** Share of a layer's units. */
  dead: 0.5,
  saturated: 0.5,
  /** Norm of an update over the norm of the weights, in two diagnosed steps in a row; usual are 0.0001 to 0.05. */
  high: 0.2,
  /** The same in a single step. */
  wild: 1,
  /** The loss over the first. */
  worse: 10,
  /** Norm of an update over the norm of the weights, in all diagnosed steps, while the loss stays over `stuck` of the first. */
  low: 1e-5,
  stuck: 0.9,
  /** Diagnosed steps before a rate is called too low. */
  patience: 3,
} as const;

const percent = (share: number): string => `${Math.round(share * 100)} %`;
const short = (value: number): string => Number(value.toPrecision(2)).toString();

/** Root mean square of a layer's gradient. */
function rms(layer: LayerDiagnosis): number {
  return layer.gradientNorm! / Math.sqrt(sizeOf([layer]));
}

function sizeOf(layers: readonly LayerDiagnosis[]): number {
  return layers.flatMap((l) => l.weights).reduce((n, w) => n + w.size, 0);
}

/** Norm of the weights, or of weights of the least size that counts. */
function scaleOf({ layers, weightNorm }: Diagnosis): number {
  return Math.max(weightNorm, BOUNDS.size * Math.sqrt(sizeOf(layers)));
}

/** Judges one diagnosed step after the other. */
export class Judge {
  private readonly losses: number[] = [];
  private readonly ratios: number[] = [];
  private before = new Set<string>();
  /** What explains everything after it. */
  private cause: 'explodingGradient' | 'learningRateTooHigh' | undefined;

  judge(diagnosis: Diagnosis): Finding[] {
    this.losses.push(diagnosis.loss);
    this.ratios.push(diagnosis.updateNorm / scaleOf(diagnosis));
    const wild = [...exploding(diagnosis), ...this.tooHigh(diagnosis.loss)];
    this.cause ??= wild[0]?.kind as typeof this.cause;
    if (this.cause) return wild.filter((f) => f.kind === this.cause);
    const lost = [...dead(diagnosis), ...saturated(diagnosis)];
    const flow = lost.length > 0 ? [] : vanishing(diagnosis);
    const quiet = lost.length > 0 || flow.length > 0 ? [] : this.tooLow();
    const seen = [...lost, ...flow];
    const key = (f: Finding) => `${f.kind} ${f.layer}`;
    const again = seen.filter((f) => this.before.has(key(f)));
    this.before = new Set(seen.map(key));
    return [...again, ...quiet];
  }

  private tooHigh(loss: number): Finding[] {
    const [last, updateRatio] = [this.ratios.at(-2), this.ratios.at(-1)!];
    const isHigh = updateRatio > BOUNDS.wild || (updateRatio > BOUNDS.high && last !== undefined && last > BOUNDS.high);
    const isWorse = loss > BOUNDS.worse * this.losses[0]! && updateRatio > BOUNDS.low;
    if (!isHigh && !isWorse) return [];
    const seen = isHigh
      ? `one update changes the weights by ${percent(updateRatio)} of their size`
      : `the loss has grown from ${short(this.losses[0]!)} to ${short(loss)}`;
    const message = `Learning rate too high: ${seen}; divide it by 10 (about 0.1 % an update is usual), warm it up, or let gs.recipes.learningRateFinder suggest one`;
    return [{ kind: 'learningRateTooHigh', message }];
  }

  private tooLow(): Finding[] {
    const { losses, ratios } = this;
    if (ratios.length < BOUNDS.patience || !ratios.every((r) => r < BOUNDS.low)) return [];
    const mean = (list: readonly number[]) => list.reduce((a, b) => a + b, 0) / list.length;
    const count = Math.floor(BOUNDS.patience / 2) || 1;
    if (mean(losses.slice(-count)) < BOUNDS.stuck * mean(losses.slice(0, count))) return [];
    // A rate that is being warmed up.
    if (ratios.at(-1)! > 2 * ratios[0]!) return [];
    const message = `Learning rate too low: an update changes the weights by ${short(ratios.at(-1)! * 100)} % of their size and the loss stays at ${short(losses.at(-1)!)}; multiply it by 10, or let gs.recipes.learningRateFinder suggest one`;
    return [{ kind: 'learningRateTooLow', message }];
  }
}

function exploding(diagnosis: Diagnosis): Finding[] {
  const { layers, gradientNorm } = diagnosis;
  const withWeights = layers.filter((l) => l.weights.length > 0);
  const helps =
    'clip gradients (globalClipNorm of the optimizer), scale inputs and targets to about 1, use a smaller initializer or normalisation';
  const largest = [...withWeights].sort((a, b) => b.gradientNorm! - a.gradientNorm!)[0];
  if (largest && gradientNorm > BOUNDS.exploding * scaleOf(diagnosis)) {
    const message = `Exploding gradient in ${largest.name}: its norm is ${short(largest.gradientNorm!)} where the weights' is ${short(largest.weightNorm!)}; ${helps}`;
    return [{ kind: 'explodingGradient', layer: largest.name, message }];
  }
  const grown = withWeights.find((layer, i) => {
    const later = withWeights.slice(i + 1).map(rms);
    return later.some((r) => r > 0 && rms(layer) > BOUNDS.growing * r) && layer.gradientNorm! > layer.weightNorm!;
  });
  if (!grown) return [];
  const message = `Exploding gradient in ${grown.name}: it is more than ${BOUNDS.growing} times larger than in a later layer; ${helps}`;
  return [{ kind: 'explodingGradient', layer: grown.name, message }];
}

function vanishing({ layers }: Diagnosis): Finding[] {
  const withWeights = layers.filter((l) => l.weights.length > 0);
  const faded = withWeights.filter((layer, i) => {
    const largest = Math.max(0, ...withWeights.slice(i + 1).map(rms));
    return largest > 0 && rms(layer) < BOUNDS.vanishing * largest;
  });
  const [worst] = [...faded].sort((a, b) => rms(a) - rms(b));
  if (!worst) return [];
  const last = withWeights.at(-1)!;
  const others = faded.length > 1 ? ` (and ${faded.length - 1} more)` : '';
  const message = `Vanishing gradient in ${worst.name}${others}: per weight it is ${short(rms(worst))} where ${last.name} has ${short(rms(last))}, so these layers hardly learn; use relu or normalisation between layers, an initializer that fits the activation, or skip connections`;
  return [{ kind: 'vanishingGradient', layer: worst.name, message }];
}

function dead({ layers }: Diagnosis): Finding[] {
  return layers
    .filter((l) => !l.isOutput && l.deadUnits !== undefined && l.deadUnits > BOUNDS.dead)
    .map(({ name, deadUnits }) => ({
      kind: 'deadUnits',
      layer: name,
      message: `Dead units in ${name}: ${percent(deadUnits!)} of its relu units are 0 for every row of the batch and get no gradient; lower the learning rate, begin with biases of 0 or slightly above, use leakyReLU or normalisation before relu`,
    }));
}

function saturated({ layers }: Diagnosis): Finding[] {
  return layers
    .filter((l) => !l.isOutput && l.saturatedUnits !== undefined && l.saturatedUnits > BOUNDS.saturated)
    .map(({ name, saturatedUnits }) => ({
      kind: 'saturatedUnits',
      layer: name,
      message: `Saturated units in ${name}: ${percent(saturatedUnits!)} of its sigmoid or tanh results lie where the slope is nearly 0; scale the inputs to about 1, use a smaller initializer (glorotUniform), normalisation, or relu`,
    }));
}
