/**
 * heNormal (He et al. 2015): normal with standard deviation √(2 / fanIn), cut off at two deviations and widened by
 * 1/0.8796 so that the deviation after the cut is the one asked for, as Keras does.
 */
import { checkOptions } from '../options.js';
import { fans, type Initializer } from './initializer.js';

/** Standard deviation of the standard normal distribution cut off at ±2. */
const TRUNCATED_DEVIATION = 0.87962566103423978;

/** Truncated normal with standard deviation √(2 / fanIn): keeps the size of signals through relu layers. */
export function heNormal(options?: Record<string, never>): Initializer {
  checkOptions('initializers.heNormal', options, {});
  return {
    name: 'heNormal',
    sampler(shape) {
      const deviation = Math.sqrt(2 / fans(shape).fanIn) / TRUNCATED_DEVIATION;
      return (random) => {
        let z = random.normal();
        while (Math.abs(z) >= 2) z = random.normal();
        return deviation * z;
      };
    },
  };
}
