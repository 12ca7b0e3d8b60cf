/** From readings of a diagnosed step to numbers of layers. */
import type { ModelMemory } from '../memory.js';
import { layerOf, type Culprit } from './locate.js';
import type { Measured, Reading } from './readings.js';

/** One trained weight in a diagnosed step. */
export interface WeightDiagnosis {
  /** `dense_1/kernel`. */
  readonly name: string;
  /** How many numbers it has. */
  readonly size: number;
  /** √Σ g² of its gradient, before clipping. */
  readonly gradientNorm: number;
  /** √Σ w² before the update. */
  readonly weightNorm: number;
  /** √Σ Δ² of the update. */
  readonly updateNorm: number;
  /** updateNorm / weightNorm; undefined where the weight is zero. */
  readonly updateRatio: number | undefined;
}

/** One layer that has trained weights or units that can be lost. */
export interface LayerDiagnosis {
  /** `dense_1`; inside another model `model/dense_1`. */
  readonly name: string;
  readonly weights: readonly WeightDiagnosis[];
  /** Over all its trained weights; undefined where there are none. */
  readonly gradientNorm?: number;
  readonly weightNorm?: number;
  readonly updateNorm?: number;
  readonly updateRatio?: number | undefined;
  /** Share of its relu units (positions of the last axis) that were 0 for every row of the batch, in [0, 1]. */
  readonly deadUnits?: number;
  /** Share of its sigmoid or tanh results whose slope was under 5 % of the largest, in [0, 1]. */
  readonly saturatedUnits?: number;
  /** Whether those results are the model's: there they may well be saturated. */
  readonly isOutput: boolean;
}

/** A diagnosed step in numbers. */
export interface Diagnosis {
  /** Number of the step since training began, from 0. */
  readonly step: number;
  /** Mean loss of the step's batch. */
  readonly loss: number;
  readonly layers: readonly LayerDiagnosis[];
  /** Over all trained weights, as are the next three; NaN where the step's update was not reached. */
  readonly gradientNorm: number;
  readonly weightNorm: number;
  readonly updateNorm: number;
  /** updateNorm / weightNorm; undefined where all weights are zero. */
  readonly updateRatio: number | undefined;
}

/** What a watched step left. */
export interface WatchedStep {
  readonly step: number;
  readonly measured: readonly Measured[];
  /** What was not finite first, where something was not. */
  readonly culprit: Culprit | undefined;
}

type Activity = Extract<Reading, { what: 'activity' }>;

const ratio = (update: number, weight: number): number | undefined => (weight === 0 ? undefined : update / weight);

export function diagnosisOf({ step, measured }: WatchedStep, { network, trained }: ModelMemory): Diagnosis {
  const normOf = (what: 'gradient' | 'weight' | 'update', index: number): number => {
    const part = (name: 'largest' | 'squares') =>
      measured.find(({ reading: r }) => r.what === what && r.index === index && r.part === name)?.value ?? NaN;
    const largest = part('largest');
    return largest === 0 || !Number.isFinite(largest) ? largest : largest * Math.sqrt(part('squares'));
  };
  const hasWeights = measured.some(({ reading }) => reading.what === 'weight');
  const weights = (hasWeights ? trained : []).map(({ name, shape }, i): WeightDiagnosis => {
    const [gradientNorm, weightNorm, updateNorm] = [normOf('gradient', i), normOf('weight', i), normOf('update', i)];
    const size = shape.reduce((n, d) => n * d, 1);
    return { name, size, gradientNorm, weightNorm, updateNorm, updateRatio: ratio(updateNorm, weightNorm) };
  });
  const activities = measured.flatMap(({ reading, value }) => (reading.what === 'activity' ? [{ reading, value }] : []));
  const place = (name: string) => network.layers.findIndex((l) => name === l.name || name.startsWith(`${l.name}/`));
  const names = [...new Set([...weights.map((w) => layerOf(w.name)), ...activities.map((a) => a.reading.layer)])];
  const layers = names
    .sort((a, b) => place(a) - place(b))
    .map((name): LayerDiagnosis => {
      const own = weights.filter((w) => layerOf(w.name) === name);
      const units = activities.filter((a) => a.reading.layer === name);
      const dead = shareOf(units, (kind) => kind === 'relu');
      const saturated = shareOf(units, (kind) => kind !== 'relu');
      return {
        name,
        weights: own,
        ...(own.length > 0 && totals(own)),
        ...(dead !== undefined && { deadUnits: dead }),
        ...(saturated !== undefined && { saturatedUnits: saturated }),
        isOutput: units.length > 0 && units.every((u) => u.reading.isOutput),
      };
    });
  const loss = measured.find(({ reading }) => reading.what === 'loss')?.value ?? NaN;
  return { step, loss, layers, ...totals(weights) };
}

function totals(list: readonly WeightDiagnosis[]) {
  const norm = (of: (w: WeightDiagnosis) => number) => (list.length === 0 ? NaN : Math.hypot(...list.map(of)));
  const [gradientNorm, weightNorm, updateNorm] = [
    norm((w) => w.gradientNorm),
    norm((w) => w.weightNorm),
    norm((w) => w.updateNorm),
  ];
  return { gradientNorm, weightNorm, updateNorm, updateRatio: ratio(updateNorm, weightNorm) };
}

/** Shares of activations of a layer, weighted by their units; undefined where there are none. */
function shareOf(list: readonly { reading: Activity; value: number }[], of: (kind: Activity['kind']) => boolean) {
  const counted = list.filter((a) => of(a.reading.kind));
  if (counted.length === 0) return undefined;
  const units = counted.reduce((n, a) => n + a.reading.units, 0);
  return counted.reduce((s, a) => s + a.value * a.reading.units, 0) / units;
}
