/** What is being described while `gs.compile` calls the user's function: the graph, and what changes at the step's end. */
import { GradstepError, optionError } from '../errors.js';
import { Graph, Value, type StepVariables } from '../graph/graph.js';
import type { Optimizer } from '../optimizers/optimizer.js';
import type { FunctionMemory } from './function_memory.js';
import type { VariableHandle } from './variable.js';

/** An update that was asked for. */
export interface PendingUpdate {
  readonly optimizer: Optimizer;
  readonly variables: readonly VariableHandle[];
  readonly gradients: readonly Value[];
}

/** What a layer keeps an average in, while it trains: it becomes momentum · itself + (1 − momentum) · value. */
export interface PendingAverage {
  readonly variable: VariableHandle;
  readonly value: Value;
  readonly momentum: number;
}

/**
 * Within a step every variable keeps the value it began with, or was assigned: changes happen together at its end, so the
 * order in which a function reads and changes does not matter.
 */
export class Trace {
  readonly graph: Graph;
  readonly used = new Set<VariableHandle>();
  readonly assigned = new Map<VariableHandle, Value>();
  readonly averages: PendingAverage[] = [];
  readonly updates: PendingUpdate[] = [];
  /** Calls of models so far: each has random numbers of its own. */
  calls = 0;
  private readonly losses = new Map<object, Value[]>();

  constructor(
    readonly memory: FunctionMemory,
    private readonly step: StepVariables,
    /** What first weights of models follow from that have no seed of their own; undefined where none was asked for. */
    readonly seed?: number,
  ) {
    this.graph = new Graph(step);
  }

  /** The step's counters, which random ops are keyed by. */
  get state(): Value {
    return this.graph.read(this.step.state);
  }

  /** The error flag. */
  get flag(): Value {
    return this.graph.read(this.step.flag);
  }

  read(variable: VariableHandle): Value {
    this.used.add(variable);
    return this.assigned.get(variable) ?? this.graph.read(this.memory.placeOf(variable));
  }

  /** At the end of the step the variable holds the value. ERR_OPTION where it changes in another way, too. */
  assign(variable: VariableHandle, value: Value): void {
    const moved = this.updates.flatMap((u) => u.variables);
    const averaged = this.averages.map((a) => a.variable);
    checkOneWay([variable], moved, MOVED);
    checkOneWay([variable], averaged, AVERAGED);
    this.used.add(variable);
    this.assigned.set(variable, value);
  }

  /** At the end of the step the optimizer moves variables. ERR_OPTION where the step assigns one of them. */
  move(update: PendingUpdate): void {
    checkOneWay(this.assigned.keys(), update.variables, MOVED);
    for (const v of update.variables) this.used.add(v);
    this.updates.push(update);
  }

  /** At the end of the step the average has a part of the value. ERR_OPTION where the step assigns it. */
  average(average: PendingAverage): void {
    checkOneWay(this.assigned.keys(), [average.variable], AVERAGED);
    this.used.add(average.variable);
    this.averages.push(average);
  }

  /** The value, if the function that is being described made it of floats; ERR_OPTION or ERR_DTYPE otherwise. */
  own(value: unknown, what: string): Value {
    if (!(value instanceof Value) || value.graph !== this.graph) {
      throw optionError(what, 'value made by the function', value instanceof Value ? 'a value of another one' : value);
    }
    if (value.dtype !== 'float32')
      throw new GradstepError('ERR_DTYPE', `Expected float32 for ${what} but received ${value.dtype}`);
    return value;
  }

  /** What layers add to the loss in a call of a model. */
  addLosses(model: object, added: readonly Value[]): void {
    this.losses.set(model, [...this.lossesOf(model), ...added]);
  }

  /** What layers have added in calls of a model so far. */
  lossesOf(model: object): readonly Value[] {
    return this.losses.get(model) ?? [];
  }

  /** Variables that the step changes. */
  get changed(): VariableHandle[] {
    return [...this.assigned.keys(), ...this.averages.map((a) => a.variable), ...this.updates.flatMap((u) => u.variables)];
  }
}

const MOVED = {
  how: 'moved by gs.applyGradients',
  advice: 'what follows an update is for a constraint (layers have them) or a function of its own',
};
const AVERAGED = {
  how: 'averaged by its layer',
  advice: 'call the model with training: false, or assign in a function of its own',
};

/** ERR_OPTION where a variable that is assigned changes in another way, too: one change would undo the other. */
function checkOneWay(
  assigned: Iterable<VariableHandle>,
  others: readonly VariableHandle[],
  { how, advice }: { how: string; advice: string },
): void {
  // A weight in two models has two handles.
  const homes = new Set(others.map((v) => v.home));
  const twice = [...assigned].find((v) => homes.has(v.home));
  if (!twice) return;
  throw new GradstepError('ERR_OPTION', `Expected ${twice.name} to be assigned or ${how} in a step, not both: ${advice}`, {
    layer: twice.name,
  });
}

let current: Trace | undefined;

/** The trace under way; ERR_OPTION outside of `gs.compile`. */
export function currentTrace(what: string): Trace {
  if (!current) throw new GradstepError('ERR_OPTION', `${what} can only be used inside a function that gs.compile describes`);
  return current;
}

/** Runs `body` with a trace. */
export function tracing<T>(trace: Trace, body: () => T): T {
  if (current) throw new GradstepError('ERR_OPTION', 'A function that gs.compile describes cannot describe another one');
  current = trace;
  try {
    return body();
  } finally {
    current = undefined;
  }
}
