/** maxNorm: vectors of a weight are cut to a length (Srebro et al. 2005; Hinton et al. 2012). */
import { minimum } from '../ops/index.js';
import { checkOptions, type SchemaOf } from '../options.js';
import { axisOption, norm, norms, rescale, type Constraint } from './constraint.js';

export interface MaxNormOptions {
  /** The largest length, number >= 0. Default 2. */
  maxValue?: number;
  /** Along which axis or axes the vectors lie. Default 0: the weights that lead to one unit of a dense layer; [0, 1, 2] for conv2d. */
  axis?: number | readonly number[];
}

const schema = { maxValue: norm(2), axis: axisOption } satisfies SchemaOf<MaxNormOptions>;

/** w · min(‖w‖, maxValue) / (1e-7 + ‖w‖). */
export function maxNorm(options?: MaxNormOptions): Constraint {
  const config = checkOptions('constraints.maxNorm', options, schema);
  return {
    name: 'maxNorm',
    config,
    apply(w) {
      const length = norms(w, config.axis, 'constraints.maxNorm');
      return rescale(w, minimum(length, config.maxValue), length);
    },
  };
}
