/**
 * oneHot: numbers as positions. x [..., length] holds numbers from 0 to classes − 1; y [..., classes] says of each class
 * how often it is among a row's numbers (`count`) or whether it is (`any`). Another number counts as none; where the
 * error flag is given it is set to {code 4 + 256·place, row of the batch, number, step}, as embedding does.
 */
import { defineOp } from '../graph/define_op.js';
import type { Value } from '../graph/graph.js';
import { cumulativeSum } from './cumulative_sum.js';
import { constant, elementwise } from './map.js';
import { reshape } from './reshape.js';

export const oneHotOp = defineOp({
  name: 'oneHot',
  inputs: {
    x: { dtypes: ['int32'] },
    state: { dtypes: ['int32'], optional: true },
    flag: { dtypes: ['int32'], mutated: true, optional: true },
  },
  outputs: { y: { dtypes: ['float32'] } },
  attrs: {
    classes: { type: 'i32' },
    mode: { type: 'enum', values: ['count', 'any'], default: 'count' },
    place: { type: 'u32', default: 0 },
  },
  infer: ({ x }, { classes }) => ({ y: { dtype: 'float32', shape: [...x!.shape.slice(0, -1), classes as number] } }),
  backward: () => ({}),
});

/** Where a number outside the classes is told. */
export interface NumberCheck {
  readonly state: Value;
  readonly flag: Value;
  readonly place?: number;
}

/** Numbers [..., length] → how often (`count`), or whether (`any`), each class is among them: [..., classes]. */
export function classCounts(x: Value, classes: number, mode: 'count' | 'any', check?: NumberCheck): Value {
  const { state, flag, place = 0 } = check ?? {};
  return x.graph.add(oneHotOp, { x, state, flag }, { classes, mode, place }).outputs.y!;
}

/** Numbers [...] → [..., classes], 1 at the number's place. */
export function oneHot(x: Value, classes: number, check?: NumberCheck): Value {
  return classCounts(reshape(x, [...x.shape, 1]), classes, 'count', check);
}

/** The same of floats, which labels of losses are: each is compared with every class. */
export function oneHotOfFloats(x: Value, classes: number): Value {
  const numbers = cumulativeSum(constant(x.graph, 1, [classes]), 0, true, false);
  return elementwise('equal', reshape(x, [...x.shape, 1]), numbers);
}
