/** glorotUniform (Glorot & Bengio 2010): uniform in ±√(6 / (fanIn + fanOut)). */
import { checkOptions } from '../options.js';
import { fans, type Initializer } from './initializer.js';

/** Uniform in ±√(6 / (fanIn + fanOut)): keeps the size of signals through layers with symmetric activations. */
export function glorotUniform(options?: Record<string, never>): Initializer {
  checkOptions('initializers.glorotUniform', options, {});
  return {
    name: 'glorotUniform',
    sampler(shape) {
      const { fanIn, fanOut } = fans(shape);
      const limit = Math.sqrt(6 / (fanIn + fanOut));
      return (random) => limit * (2 * random.uniform() - 1);
    },
  };
}
