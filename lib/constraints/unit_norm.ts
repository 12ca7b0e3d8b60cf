/** unitNorm: vectors of a weight have length 1. */
import { checkOptions, type SchemaOf } from '../options.js';
import { axisOption, norms, rescale, type Constraint } from './constraint.js';

export interface UnitNormOptions {
  /** Along which axis or axes the vectors lie. Default 0: the weights that lead to one unit of a dense layer; [0, 1, 2] for conv2d. */
  axis?: number | readonly number[];
}

const schema = { axis: axisOption } satisfies SchemaOf<UnitNormOptions>;

/** w / (1e-7 + ‖w‖). */
export function unitNorm(options?: UnitNormOptions): Constraint {
  const config = checkOptions('constraints.unitNorm', options, schema);
  return { name: 'unitNorm', config, apply: (w) => rescale(w, 1, norms(w, config.axis, 'constraints.unitNorm')) };
}
