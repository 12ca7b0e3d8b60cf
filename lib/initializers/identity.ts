/** identity: a layer that passes its input on, or the part of it that fits. */
import { GradstepError } from '../errors.js';
import { formatShape } from '../graph/shape.js';
import { checkOptions, number, optional, type SchemaOf } from '../options.js';
import type { Initializer } from './initializer.js';

export interface IdentityOptions {
  /** What stands on the diagonal. Default 1. */
  gain?: number;
}

const schema = { gain: optional(number(), 1) } satisfies SchemaOf<IdentityOptions>;

/** `gain` on the diagonal of a matrix [in, out], 0 elsewhere; ERR_SHAPE for weights of other ranks. */
export function identity(options?: IdentityOptions): Initializer {
  const config = checkOptions('initializers.identity', options, schema);
  return {
    name: 'identity',
    config,
    sampler(shape) {
      if (shape.length !== 2) {
        throw new GradstepError('ERR_SHAPE', `initializers.identity fills weights [in, out], not ${formatShape(shape)}`);
      }
      const columns = shape[1]!;
      let at = 0;
      return () => {
        const [row, column] = [Math.floor(at / columns), at % columns];
        at++;
        return row === column ? config.gain : 0;
      };
    },
  };
}
