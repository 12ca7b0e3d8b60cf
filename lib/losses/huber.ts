/** huber (Huber 1964): quadratic for errors up to delta, linear beyond; the mean over a sample's outputs. */
import { elementwise } from '../ops/map.js';
import { checkOptions, number, optional, type SchemaOf } from '../options.js';
import { comparison, type Loss } from './loss.js';

export interface HuberOptions {
  /** The error at which the loss turns linear. Number > 0; default 1. */
  delta?: number;
}

const schema = {
  delta: optional(
    number('finite number > 0', (v) => v > 0),
    1,
  ),
} satisfies SchemaOf<HuberOptions>;

/** ½e² where |e| <= delta, else delta·(|e| − ½·delta), e = y − ŷ; the mean over the outputs. Labels have the output's shape. */
export function huber(options?: HuberOptions): Loss {
  const config = checkOptions('losses.huber', options, schema);
  return comparison('huber', config, (yTrue, yPred) => {
    const size = elementwise('abs', elementwise('sub', yPred, yTrue));
    const near = elementwise('minimum', size, config.delta);
    return elementwise('mul', near, elementwise('sub', size, elementwise('mul', near, 0.5)));
  });
}
