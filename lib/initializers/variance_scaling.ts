/**
 * varianceScaling: random numbers whose variance is scale / fan, so that signals keep their size through a layer. The
 * Glorot, He and LeCun initializers are rows of this one.
 */
import { checkOptions, number, oneOf, optional, type SchemaOf } from '../options.js';
import { normal, truncatedNormal, TRUNCATED_DEVIATION, uniform } from './distributions.js';
import { fans, type Initializer, type Sampler } from './initializer.js';

/** What the variance is divided by: inputs of a unit, outputs, or their mean. */
export type FanMode = 'fanIn' | 'fanOut' | 'fanAvg';

/** Normal cut off at two deviations and widened to the deviation asked for, normal, or uniform. */
export type ScaledDistribution = 'truncatedNormal' | 'untruncatedNormal' | 'uniform';

export interface VarianceScalingOptions {
  /** Number > 0. Default 1. */
  scale?: number;
  /** Default `fanIn`. */
  mode?: FanMode;
  /** Default `truncatedNormal`. */
  distribution?: ScaledDistribution;
}

/** A sampler's maker for one scale, mode and distribution. */
export function scaled(scale: number, mode: FanMode, distribution: ScaledDistribution): Initializer['sampler'] {
  return (shape): Sampler => {
    const { fanIn, fanOut } = fans(shape);
    const fan = { fanIn, fanOut, fanAvg: (fanIn + fanOut) / 2 }[mode];
    if (distribution === 'uniform') {
      const limit = Math.sqrt((3 * scale) / fan);
      return uniform(-limit, limit);
    }
    const deviation = Math.sqrt(scale / fan);
    return distribution === 'untruncatedNormal' ? normal(0, deviation) : truncatedNormal(0, deviation / TRUNCATED_DEVIATION);
  };
}

const schema = {
  scale: optional(
    number('finite number > 0', (v) => v > 0),
    1,
  ),
  mode: optional(oneOf(['fanIn', 'fanOut', 'fanAvg']), 'fanIn' as const),
  distribution: optional(oneOf(['truncatedNormal', 'untruncatedNormal', 'uniform']), 'truncatedNormal' as const),
} satisfies SchemaOf<VarianceScalingOptions>;

/** Random numbers of mean 0 and variance scale / fan. */
export function varianceScaling(options?: VarianceScalingOptions): Initializer {
  const config = checkOptions('initializers.varianceScaling', options, schema);
  return { name: 'varianceScaling', config, sampler: scaled(config.scale, config.mode, config.distribution) };
}
