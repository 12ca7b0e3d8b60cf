/**
 * The declaration of an op: what its kernel reads and writes, its attributes, how shapes follow, and how gradients
 * flow back through it. The code generator turns declarations into the native argument structs, so this is the one
 * place an op's signature is written. An op without a kernel (`view: true`) renames memory and costs nothing.
 */
import { GradstepError } from '../errors.js';
import type { DType } from './dtype.js';
import type { Node, Value } from './graph.js';
import type { Shape } from './shape.js';

export interface InputSpec {
  /** `bfloat16` beside float32: the kernel can read float32 numbers that were stored rounded; of an output, store them so. */
  readonly dtypes: readonly DType[];
  readonly optional?: boolean;
  /** The kernel updates this input in place: counters, metric sums, parameters, the error flag. Only variables qualify. */
  readonly mutated?: boolean;
}

export interface OutputSpec {
  readonly dtypes: readonly DType[];
  /** Absent where `infer` does not yield it, or nobody reads it. */
  readonly optional?: boolean;
  /** The kernel can add to what is there instead of overwriting it (a generated flag `accumulate` tells it which). */
  readonly accumulate?: boolean;
  /** Inputs of equal size and dtype whose memory the output may take over, when nothing reads them later. */
  readonly inPlace?: readonly string[];
}

export type AttrSpec =
  | { readonly type: 'i32' | 'u32' | 'f32'; readonly default?: number }
  | { readonly type: 'enum'; readonly values: readonly string[]; readonly default?: string }
  | { readonly type: 'dims' }
  | { readonly type: 'tape' };

export type AttrValue = number | string | readonly number[] | Tape;

/** The program of a `map`: see lib/ops/map.ts. */
export interface Tape {
  /** One row an instruction: [function code, operand a, operand b, operand c]. */
  readonly code: readonly (readonly [number, number, number, number])[];
  readonly immediates: readonly number[];
  /** Operand that each output takes. */
  readonly results: readonly number[];
}

export interface TensorType {
  readonly dtype: DType;
  readonly shape: Shape;
}

/** What `backward` sees. */
export interface BackwardContext {
  node: Node;
  /** Gradient of the loss with respect to each output; undefined where the loss does not depend on it. */
  grads: Readonly<Record<string, Value | undefined>>;
  /** Whether a gradient with respect to this input is wanted at all. */
  needs(input: string): boolean;
  /** Adds to the gradient of a value that lies further back than the inputs: what an input was made of. */
  give(value: Value, share: Value | undefined): void;
}

export interface OpSpec {
  readonly name: string;
  readonly inputs: Readonly<Record<string, InputSpec>>;
  readonly outputs: Readonly<Record<string, OutputSpec>>;
  readonly attrs?: Readonly<Record<string, AttrSpec>>;
  /** No kernel: the output is the input's memory under another shape. */
  readonly view?: boolean;
  /** Acts on the world (a data slot): never dropped as unused. Ops with a mutated input are kept as well. */
  readonly effect?: boolean;
  /** Backends that have a kernel; both when absent. */
  readonly backends?: readonly ('cpu' | 'cuda')[];
  /** Types and shapes of the outputs from those of the inputs; ERR_SHAPE where these do not fit together. */
  infer(inputs: Readonly<Record<string, TensorType>>, attrs: Readonly<Record<string, AttrValue>>): Record<string, TensorType>;
  /** Whether a node's outputs are constant but for jumps: nothing goes back through it, so what is made of them is a constant too. */
  isFlat?(node: Node): boolean;
  /** Gradients by input name, built from ops of the table; absent when the op has no derivative. */
  backward?(context: BackwardContext): Record<string, Value | undefined>;
}

export class OpDef {
  readonly name: string;
  readonly inputs: OpSpec['inputs'];
  readonly outputs: OpSpec['outputs'];
  readonly attrs: Readonly<Record<string, AttrSpec>>;
  readonly view: boolean;
  readonly effect: boolean;
  readonly backends: readonly ('cpu' | 'cuda')[];
  readonly infer: OpSpec['infer'];
  readonly backward?: OpSpec['backward'];
  readonly isFlat: (node: Node) => boolean;

  constructor(spec: OpSpec) {
    this.name = spec.name;
    this.inputs = spec.inputs;
    this.outputs = spec.outputs;
    this.attrs = spec.attrs ?? {};
    this.view = spec.view ?? false;
    this.effect = (spec.effect ?? false) || Object.values(spec.inputs).some((i) => i.mutated);
    this.backends = spec.backends ?? ['cpu', 'cuda'];
    this.infer = spec.infer;
    this.backward = spec.backward;
    this.isFlat = (node) => spec.isFlat?.(node) ?? false;
  }

  /** Every attribute with a value: the given one or the default. */
  fillAttrs(given: Record<string, AttrValue>): Record<string, AttrValue> {
    const filled: Record<string, AttrValue> = {};
    for (const [name, spec] of Object.entries(this.attrs)) {
      const value = given[name] ?? ('default' in spec ? spec.default : undefined);
      if (value === undefined) throw new GradstepError('ERR_INTERNAL', `${this.name} needs its attribute ${name}`);
      if (spec.type === 'enum' && !spec.values.includes(value as string)) {
        throw new GradstepError('ERR_INTERNAL', `${this.name}.${name} is one of ${spec.values.join(', ')}, not ${String(value)}`);
      }
      filled[name] = value;
    }
    return filled;
  }

  /** Whether any output can add to what is there. */
  get canAccumulate(): boolean {
    return Object.values(this.outputs).some((o) => o.accumulate);
  }
}

export function defineOp(spec: OpSpec): OpDef {
  return new OpDef(spec);
}
