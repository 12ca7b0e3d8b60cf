/** The inputs that the kernels of all optimizers have: the parameter block, its gradients, and slots of the same shape. */
import type { InputSpec } from '../graph/define_op.js';

type Names = Readonly<Record<string, 'always' | 'optional'>>;

const float = { dtypes: ['float32'] } as const satisfies InputSpec;
const counters = { dtypes: ['int32'] } as const satisfies InputSpec;

/** `slots` are what the optimizer keeps between steps; `countsSteps`: whether the update depends on the step. */
export function updateInputs(slots: Names, { countsSteps }: { countsSteps: boolean }): Readonly<Record<string, InputSpec>> {
  const blocks = Object.entries(slots).map(([name, when]): [string, InputSpec] => [
    name,
    { ...float, mutated: true, ...(when === 'optional' ? { optional: true } : {}) },
  ]);
  return {
    params: { ...float, mutated: true },
    grads: float,
    ...Object.fromEntries(blocks),
    learningRate: float,
    ...(countsSteps ? { state: counters } : {}),
    flag: counters,
  };
}
