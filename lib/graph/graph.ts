/**
 * A graph is a list of nodes in execution order. A node applies an op of the table to values and yields values;
 * a value belongs to the graph that made it. Variables live outside graphs (layers own them) and are read into a
 * graph as values. Building a graph computes nothing: it is described, differentiated, then compiled.
 */
import { GradstepError } from '../errors.js';
import type { DType } from './dtype.js';
import type { AttrValue, OpDef } from './define_op.js';
import { MAX_RANK, MAX_SIZE, formatShape, type Shape } from './shape.js';

/** Memory that outlives a step: weights, optimizer state, counters, metric sums. */
export interface Variable {
  /** Unique inside a model: `dense_1/kernel`, `optimizer/m`, `state`. */
  readonly name: string;
  readonly shape: Shape;
  readonly dtype: DType;
}

/** What the steps of a graph that runs in steps count and find. */
export interface StepVariables {
  /** The step's counters (int32 [4]), which random numbers are keyed by. */
  readonly state: Variable;
  /** The error flag (int32 [4]). */
  readonly flag: Variable;
  /** Rows of the batch that a step has, where it has one. */
  readonly rows?: number;
}

/** A tensor inside a graph. */
export class Value {
  constructor(
    readonly graph: Graph,
    readonly id: number,
    readonly dtype: DType,
    readonly shape: Shape,
    /** The node that makes it, or the variable it is. */
    readonly source: Node | Variable,
  ) {}

  /** The node that makes this value; undefined for a variable. */
  get node(): Node | undefined {
    return this.source instanceof Node ? this.source : undefined;
  }

  get variable(): Variable | undefined {
    return this.source instanceof Node ? undefined : this.source;
  }
}

/** One application of an op. `inputs` and `outputs` are keyed by the names the op declares. */
export class Node {
  outputs: Record<string, Value> = {};

  constructor(
    readonly op: OpDef,
    readonly inputs: Readonly<Record<string, Value>>,
    readonly attrs: Readonly<Record<string, AttrValue>>,
    /** Path of the layer (or `loss`, `optimizer`) that asked for it; it names the place in errors, prints and profiles. */
    readonly scope: string,
  ) {}
}

export class Graph {
  readonly nodes: Node[] = [];
  private readonly variables = new Map<Variable, Value>();
  private readonly draws = new Map<string, number>();
  private nextId = 0;
  private scopes: string[] = [];

  /** @param step undefined where it does not run in steps. */
  constructor(readonly step?: StepVariables) {}

  get scope(): string {
    return this.scopes.join('/');
  }

  /** A path of its own for each draw of random numbers: the scope, and how many came before there. */
  nextDraw(): string {
    const { scope } = this;
    const nth = this.draws.get(scope) ?? 0;
    this.draws.set(scope, nth + 1);
    return `${scope}/draw/${nth}`;
  }

  /** Runs `body` with `name` appended to the scope of the nodes it makes. */
  inScope<T>(name: string, body: () => T): T {
    this.scopes.push(name);
    try {
      return body();
    } catch (error) {
      if (error instanceof GradstepError && error.layer === undefined) {
        throw new GradstepError(error.code, `${error.message} (in ${this.scope})`, { layer: this.scope, cause: error });
      }
      throw error;
    } finally {
      this.scopes.pop();
    }
  }

  /** The value of a variable; the same value each time. */
  read(variable: Variable): Value {
    let value = this.variables.get(variable);
    if (!value) {
      value = new Value(this, this.nextId++, variable.dtype, variable.shape, variable);
      this.variables.set(variable, value);
    }
    return value;
  }

  /** Appends a node; checks dtypes and lets the op infer the shapes of its outputs. */
  add(op: OpDef, inputs: Record<string, Value | undefined>, attrs: Record<string, AttrValue> = {}): Node {
    const given: Record<string, Value> = {};
    for (const [name, spec] of Object.entries(op.inputs)) {
      const value = inputs[name];
      if (!value) {
        if (spec.optional) continue;
        throw new GradstepError('ERR_INTERNAL', `${op.name} needs its input ${name}`);
      }
      if (value.graph !== this) {
        throw new GradstepError('ERR_OPTION', `${op.name} was given a value for ${name} that another function or model made`);
      }
      if (!spec.dtypes.includes(value.dtype)) {
        throw new GradstepError(
          'ERR_DTYPE',
          `${op.name} expects ${spec.dtypes.join(' or ')} for ${name} but received ${value.dtype}`,
        );
      }
      given[name] = value;
    }
    const node = new Node(op, given, op.fillAttrs(attrs), this.scope);
    const shapes = op.infer(given, node.attrs);
    for (const [name, { dtype, shape }] of Object.entries(shapes)) {
      if (shape.length > MAX_RANK) {
        throw new GradstepError('ERR_SHAPE', `${op.name} would make a value of rank ${shape.length}; the largest is ${MAX_RANK}`);
      }
      if (shape.some((d) => !Number.isInteger(d) || d < 1 || d > MAX_SIZE)) {
        throw new GradstepError('ERR_SHAPE', `${op.name} would make a value of shape ${formatShape(shape)}`);
      }
      node.outputs[name] = new Value(this, this.nextId++, dtype, shape, node);
    }
    this.nodes.push(node);
    return node;
  }
}
