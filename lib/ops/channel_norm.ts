/**
 * channelNorm: x viewed as [samples, positions, channels] is normalised per sample and group of neighbouring channels,
 * y = activation((x − mean)/√(variance + epsilon)·gamma + beta + residual), with the mean and the biased variance over the
 * group's positions and channels. One sample and a group for each channel make batch normalisation (Ioffe & Szegedy 2015),
 * samples and groups those of group normalisation (Wu & He 2018). `residual`, of x's shape, is what a residual block adds to
 * its last normalisation (He et al. 2016); fusion puts it there (lib/compile/fuse_residual.ts). channelNormGrad is the
 * derivative.
 */
import { GradstepError } from '../errors.js';
import { defineOp, type TensorType } from '../graph/define_op.js';
import type { Node, Value } from '../graph/graph.js';
import { formatShape, sameShape, sizeOf } from '../graph/shape.js';
import { pullBack, type Named } from './autodiff.js';
import { addGiven, elementwise } from './map.js';
import { EPILOGUES } from './matmul.js';
import { mean as meanOf, sum } from './reduce_sum.js';
import { reshape } from './reshape.js';

const layout = {
  samples: { type: 'i32' },
  groups: { type: 'i32' },
  epsilon: { type: 'f32' },
  activation: { type: 'enum', values: EPILOGUES, default: 'linear' },
} as const;

const float = { dtypes: ['float32'] } as const;
const optionalFloat = { ...float, optional: true } as const;
const stored = { dtypes: ['float32', 'bfloat16'] } as const;
const optionalStored = { ...stored, optional: true } as const;

export const channelNormOp = defineOp({
  name: 'channelNorm',
  inputs: { x: stored, gamma: optionalFloat, beta: optionalFloat, residual: optionalStored },
  outputs: { y: { ...stored, inPlace: ['x', 'residual'] }, mean: float, variance: float },
  attrs: layout,
  infer({ x, gamma, beta, residual }, attrs) {
    const { samples, groups } = attrs as Record<string, number>;
    const channels = x!.shape.at(-1)!;
    if (channels % groups! !== 0 || x!.shape.length < 2) {
      throw new GradstepError('ERR_SHAPE', `Cannot normalise ${formatShape(x!.shape)} in ${groups} groups of channels`);
    }
    for (const [name, value] of Object.entries({ gamma, beta })) {
      if (value && (value.shape.length !== 1 || value.shape[0] !== channels)) {
        throw new GradstepError('ERR_SHAPE', `Expected ${name} of shape [${channels}] but received ${formatShape(value.shape)}`);
      }
    }
    if (residual && !sameShape(residual.shape, x!.shape)) {
      throw new GradstepError('ERR_SHAPE', `Cannot add ${formatShape(residual.shape)} to normalised ${formatShape(x!.shape)}`);
    }
    const statistics: TensorType = { dtype: 'float32', shape: [samples! * groups!] };
    return { y: { dtype: 'float32', shape: x!.shape }, mean: statistics, variance: statistics };
  },
  backward({ node, grads, needs }) {
    const { x, gamma, beta, residual } = node.inputs as { x: Value; gamma?: Value; beta?: Value; residual?: Value };
    const { y, mean, variance } = node.outputs;
    const { x: throughStatistics } = pullBack({ x }, ({ x: of }) => statistics(of!, node.attrs), {
      mean: grads.mean,
      variance: grads.variance,
    });
    if (!grads.y) return { x: throughStatistics };
    const attrs = { ...node.attrs, withDx: needs('x') ? 'yes' : 'no' };
    const isMaskedByY = residual !== undefined && node.attrs.activation === 'relu';
    const inputs = { x, dy: grads.y, y: isMaskedByY ? y : undefined, gamma, beta, mean, variance };
    const { dx, dresidual, dgamma, dbeta } = x.graph.add(channelNormGradOp, inputs, attrs).outputs;
    return {
      x: addGiven(dx, throughStatistics),
      gamma: dgamma,
      beta: dbeta,
      residual: residual && (dresidual ?? grads.y),
    };
  },
});

/**
 * dy is the gradient by y after the activation. Whether a relu let an element through is read off y > 0 where y, its result, is given, and
 * worked out again from x otherwise. With y comes dresidual, dy where the relu let through: the gradient by the residual.
 */
export const channelNormGradOp = defineOp({
  name: 'channelNormGrad',
  inputs: { x: stored, dy: stored, y: optionalStored, gamma: optionalFloat, beta: optionalFloat, mean: float, variance: float },
  outputs: {
    dx: { ...optionalStored, inPlace: ['dy', 'x', 'y'] },
    dresidual: { ...optionalStored, inPlace: ['dy', 'y'] },
    dgamma: float,
    dbeta: float,
  },
  attrs: { ...layout, withDx: { type: 'enum', values: ['no', 'yes'], default: 'yes' } },
  infer({ x, y }, attrs): Record<string, TensorType> {
    const like: TensorType = { dtype: 'float32', shape: x!.shape };
    const dgamma: TensorType = { dtype: 'float32', shape: [x!.shape.at(-1)!] };
    const isMaskedByY = y !== undefined && attrs.activation === 'relu';
    return { ...(attrs.withDx === 'yes' && { dx: like }), ...(isMaskedByY && { dresidual: like }), dgamma, dbeta: dgamma };
  },
  backward: ({ node, grads }) => pullBack(node.inputs, (given) => slope(given, node.attrs), grads),
});

/** x as [samples, positions, groups, channels of a group]. */
function inGroups(x: Value, { samples, groups }: Node['attrs']): Value {
  const channels = x.shape.at(-1)!;
  const [n, g] = [samples as number, groups as number];
  return reshape(x, [n, sizeOf(x.shape) / n / channels, g, channels / g]);
}

/** mean and variance of samples and groups, as channelNorm yields them. */
function statistics(x: Value, attrs: Node['attrs']): Named {
  const values = inGroups(x, attrs);
  const mean = meanOf(values, [1, 3], true);
  const variance = meanOf(elementwise('square', elementwise('sub', values, mean)), [1, 3], true);
  return { mean: reshape(mean, [sizeOf(mean.shape)]), variance: reshape(variance, [sizeOf(mean.shape)]) };
}

/**
 * What channelNormGrad makes before fusion, so without relu and residual: with r = 1/√(variance + epsilon), x̂ = (x − mean)·r and
 * g = dy·gamma, dx = r·(g − mean of g − x̂·mean of g·x̂), over each sample and group.
 */
function slope(given: Named, attrs: Node['attrs']): Named {
  const [x, dy] = [inGroups(given.x!, attrs), inGroups(given.dy!, attrs)];
  const [samples, , groups, width] = x.shape as [number, number, number, number];
  const statistic = (v: Value): Value => reshape(v, [samples, 1, groups, 1]);
  const r = elementwise('div', 1, elementwise('sqrt', elementwise('add', statistic(given.variance!), attrs.epsilon as number)));
  const normal = elementwise('mul', elementwise('sub', x, statistic(given.mean!)), r);
  const g = given.gamma ? elementwise('mul', dy, reshape(given.gamma, [groups, width])) : dy;
  const along = elementwise('mul', normal, meanOf(elementwise('mul', g, normal), [1, 3], true));
  const across = elementwise('sub', g, meanOf(g, [1, 3], true));
  const perChannel = (v: Value): Value => reshape(sum(v, [0, 1]), [groups * width]);
  return {
    dx: reshape(elementwise('mul', r, elementwise('sub', across, along)), given.x!.shape),
    dgamma: perChannel(elementwise('mul', dy, normal)),
    dbeta: perChannel(dy),
  };
}

/** A normalised value and what it was normalised by: mean and biased variance, [samples·groups]. */
export interface Normalised {
  y: Value;
  mean: Value;
  variance: Value;
}

function channelNorm(x: Value, gamma: Value | undefined, beta: Value | undefined, attrs: Record<string, number>): Normalised {
  return x.graph.add(channelNormOp, { x, gamma, beta }, attrs).outputs as unknown as Normalised;
}

/**
 * Normalises each channel (the last axis of x) by its mean and biased variance over everything else, then scales and
 * shifts it: y = (x − mean)/√(variance + epsilon)·gamma + beta.
 * @param gamma [channels]; 1 where absent
 * @param beta [channels]; 0 where absent
 */
export function batchNorm(x: Value, gamma: Value | undefined, beta: Value | undefined, epsilon: number): Normalised {
  return channelNorm(x, gamma, beta, { samples: 1, groups: x.shape.at(-1) ?? 1, epsilon });
}

/** The same per sample (the first axis of x) and group of channels; `groups` divides the channels. */
export function groupNorm(
  x: Value,
  gamma: Value | undefined,
  beta: Value | undefined,
  groups: number,
  epsilon: number,
): Normalised {
  return channelNorm(x, gamma, beta, { samples: x.shape[0]!, groups, epsilon });
}
