/**
 * What the kernels of all optimizers are given: the parameter block, its gradients, and slots of the same shape. With a
 * `fault` (int32 [1]) an element whose gradient is NaN or infinite stays as it is, and so do its slots; fault becomes 1 + the
 * position of the last such element, counted from `first`, and `advance` makes it the flag of the step.
 */
import type { AttrSpec, AttrValue, InputSpec, OpDef } from '../graph/define_op.js';
import type { Value } from '../graph/graph.js';

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
    fault: { ...counters, mutated: true, optional: true },
  };
}

/** The attributes of an optimizer's kernel: its own, and the position of its block among all that the step moves. */
export function updateAttrs<A extends Readonly<Record<string, AttrSpec>>>(own: A) {
  return { ...own, first: { type: 'i32', default: 0 } } as const satisfies Readonly<Record<string, AttrSpec>>;
}

/** What one update is about, whichever optimizer makes it. */
export interface UpdateContext {
  readonly params: Value;
  readonly grads: Value;
  /** float32 [1]. */
  readonly learningRate: Value;
  /** Counts updates: int32 [4]. */
  readonly state: Value;
  readonly flag: Value;
  /** Where faults are watched. */
  readonly fault?: Value | undefined;
  /** Position of `params` among all that the step moves. Default 0. */
  readonly first?: number;
}

/** Adds an optimizer's kernel to the step. */
export function update(
  op: OpDef,
  context: UpdateContext,
  slots: Readonly<Record<string, Value | undefined>>,
  attrs: Readonly<Record<string, AttrValue>>,
): void {
  const { params, grads, learningRate, state, flag, fault, first = 0 } = context;
  const counters = 'state' in op.inputs ? { state } : {};
  params.graph.add(op, { params, grads, ...slots, learningRate, ...counters, flag, fault }, { ...attrs, first });
}
