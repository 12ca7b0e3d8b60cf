/**
 * gs.compile: a training step, or any computation, of the user's own as one program. The function describes it once with
 * `gs.ops`, `gs.grad` and `gs.applyGradients`; what it makes is compiled, and then called with data.
 */
import { assign, lower } from '../compile/lower.js';
import { integers } from '../data/samples.js';
import { Tensor, tensorOf, type TensorLike } from '../data/tensor.js';
import { GradstepError, optionError } from '../errors.js';
import { Value, type Variable } from '../graph/graph.js';
import { formatShape, sameShape, sizeOf, type Shape } from '../graph/shape.js';
import type { Optimizer } from '../optimizers/optimizer.js';
import { gradients } from '../ops/autodiff.js';
import { advance } from '../ops/gather.js';
import { constant, elementwise } from '../ops/map.js';
import { movingAverage } from '../ops/moving_average.js';
import { slice } from '../ops/pad.js';
import { reshape } from '../ops/reshape.js';
import { PRECISIONS, type Precision } from '../ops/precision.js';
import { boolean, checkOptions, integer, oneOf, optional, shape as shapeOption, type Check, type SchemaOf } from '../options.js';
import { randomSeed, seedWords } from '../random.js';
import type { Range } from '../runtime/session.js';
import { deviceOption, type DeviceName } from './compile_options.js';
import { checkFlag } from './flags.js';
import { FunctionMemory } from './function_memory.js';
import { Trace, currentTrace, tracing } from './trace.js';
import { constrain, held, move } from './update.js';
import { VariableHandle } from './variable.js';
import { whileChanging } from './weight_home.js';

/** What a function is given for each input. */
export interface InputSpec {
  /** The whole shape, with the batch. */
  shape: readonly number[];
  /** Default `float32`. */
  dtype?: 'float32' | 'int32';
}

export interface CompileFunctionOptions<I extends Record<string, InputSpec>> {
  /** Shapes and types of the inputs, by name. Default none. */
  inputs?: I;
  /** Default `auto`. */
  device?: DeviceName;
  /** Threads on the processor. Default 0: as many as the process may use. */
  threads?: number;
  /** Arithmetic of products and what is stored between them, as in `model.compile`; results and variables are float32. Default `float32`. */
  precision?: Precision;
  /** Fixes random numbers, and first weights of models that it calls and that no seed was given to; integer >= 0, random by default. */
  seed?: number;
  /** As in `model.compile`. Default false. */
  deterministic?: boolean;
}

/** What a function may return: a value, values by name, or nothing. */
export type Described = Value | Readonly<Record<string, Value>> | ReturnType<() => void>;

/** The numbers of what a function returned. */
export type Computed<R> = R extends Value
  ? Tensor<Float32Array>
  : R extends Readonly<Record<string, Value>>
    ? { [K in keyof R]: Tensor<Float32Array> }
    : undefined;

/** What a compiled function is called with: where it has inputs, data for them must be given. */
export type FunctionArguments<I extends Record<string, InputSpec>> = keyof I extends never
  ? [inputs?: Readonly<Record<string, never>>, options?: { steps?: number }]
  : string extends keyof I
    ? [inputs?: { readonly [K in keyof I]: TensorLike }, options?: { steps?: number }]
    : [inputs: { readonly [K in keyof I]: TensorLike }, options?: { steps?: number }];

/** A compiled function: call it with data for its inputs. */
export interface CompiledFunction<I extends Record<string, InputSpec>, R> {
  /** Runs the step; `steps` times one after the other on the same inputs where that is given, and returns the last results. */
  (...given: FunctionArguments<I>): Promise<Computed<R>>;
  /** Gives its memory back; variables keep their numbers. */
  dispose(): Promise<void>;
  [Symbol.dispose](): void;
}

/** What a function is compiled for, checked. */
interface Setting {
  readonly device: DeviceName;
  readonly threads: number;
  readonly precision: Precision;
  readonly seed: number | undefined;
  readonly deterministic: boolean;
}

interface Prepared {
  readonly memory: FunctionMemory;
  readonly trace: Trace;
  readonly entry: number;
  readonly inputs: ReadonlyMap<string, Variable>;
  /** The flag, then the results. */
  readonly report: Range;
  readonly results: readonly { readonly name: string; readonly shape: Shape; readonly offset: number }[];
  readonly isSingle: boolean;
  /** That calls before took. */
  steps: number;
}

let functions = 0;

/**
 * Gradients of a scalar (or of the sum of a value's elements) with respect to variables or values; inside `gs.compile`. They are
 * values like others: they can be differentiated in turn, through every layer. ERR_NOT_DIFFERENTIABLE where there is no gradient:
 * by a mask, or by the bias of attention's scores.
 */
export function grad(loss: Value, wrt: readonly (VariableHandle | Value)[]): Value[] {
  const trace = currentTrace('gs.grad');
  if (!Array.isArray(wrt)) throw optionError('gs.grad wrt', 'array of variables or values', wrt);
  const total = trace.own(loss, 'gs.grad loss');
  const values = wrt.map((w: unknown, i) => {
    if (w instanceof VariableHandle) return trace.read(w);
    return trace.own(w, `gs.grad wrt[${i}]`);
  });
  return gradients(total, values);
}

/**
 * At the end of the step the optimizer moves the variables against the gradients, all together: by its cuts of gradients,
 * its decay, its own formula; then constraints of layers hold. Functions on one device, with the same `threads` and
 * `deterministic`, that give the same optimizer the same variables share its state, from their first calls until the last of them
 * is disposed. Inside `gs.compile`.
 *
 * ERR_OPTION for an optimizer with useEma or gradientAccumulationSteps, which `fit` alone has, and for a variable that the step
 * assigns, too; ERR_SHAPE where a gradient
 * does not have its variable's shape.
 */
export function applyGradients(optimizer: Optimizer, grads: readonly Value[], variables: readonly VariableHandle[]): void {
  const trace = currentTrace('gs.applyGradients');
  if (typeof optimizer !== 'object' || typeof (optimizer as Partial<Optimizer> | null)?.apply !== 'function') {
    throw optionError('gs.applyGradients optimizer', 'optimizer of gs.optimizers', optimizer);
  }
  const { useEma, gradientAccumulationSteps } = optimizer.common;
  if (useEma || gradientAccumulationSteps > 1) {
    const what = useEma ? 'useEma' : 'gradientAccumulationSteps';
    throw new GradstepError('ERR_OPTION', `Expected an optimizer without ${what} for gs.applyGradients: that is for fit`);
  }
  for (const [name, list] of Object.entries({ gradients: grads, variables })) {
    if (!Array.isArray(list)) throw optionError(`gs.applyGradients ${name}`, 'array', list);
  }
  if (grads.length !== variables.length || grads.length === 0) {
    throw new GradstepError(
      'ERR_OPTION',
      `Expected as many gradients as variables but received ${grads.length} and ${variables.length}`,
    );
  }
  grads.forEach((g, i) => {
    const variable: unknown = variables[i];
    if (!(variable instanceof VariableHandle)) throw optionError(`gs.applyGradients variables[${i}]`, 'variable', variable);
    const { name, shape } = variable;
    if (variables.indexOf(variable) !== i) throw optionError(`gs.applyGradients variables[${i}]`, 'variable of its own', name);
    trace.own(g, `the gradient of ${name}`);
    if (!sameShape(g.shape, shape)) {
      throw new GradstepError(
        'ERR_SHAPE',
        `Expected a gradient of shape ${formatShape(shape)} for ${name} but received ${formatShape(g.shape)}`,
      );
    }
  });
  trace.move({ optimizer, variables, gradients: grads });
}

const inputSpecs: Check<Readonly<Record<string, InputSpec>>> = (value, name) => {
  if (value === undefined) return {};
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw optionError(name, 'object of inputs', value);
  const schema = { shape: shapeOption, dtype: optional(oneOf(['float32', 'int32']), 'float32' as const) };
  return Object.fromEntries(Object.entries(value).map(([key, spec]) => [key, checkOptions(`${name}.${key}`, spec, schema)]));
};

/**
 * Compiles a function of values. It is called once, to describe the step; the result is called with data, as often as
 * wanted, and runs in native code. Variables that it changes have their new numbers when the promise resolves.
 * ERR_OPTION, ERR_SHAPE for a description that does not fit together (when first called).
 */
export function compile<const I extends Record<string, InputSpec>, R extends Described>(
  describe: (inputs: { readonly [K in keyof I]: Value }) => R,
  options?: CompileFunctionOptions<I>,
): CompiledFunction<I, R> {
  if (typeof describe !== 'function') throw optionError('gs.compile', 'function', describe);
  const schema = {
    inputs: inputSpecs,
    device: optional(deviceOption, 'auto' as const),
    threads: optional(integer(0, 1024), 0),
    precision: optional(oneOf(PRECISIONS), 'float32' as const),
    seed: optional(integer(0), undefined),
    deterministic: optional(boolean, false),
  } satisfies SchemaOf<CompileFunctionOptions<I>>;
  const { inputs, ...setting } = checkOptions('gs.compile', options, schema);
  let preparing: Promise<Prepared> | undefined;
  let disposed = false;

  const call = async (given?: Readonly<Record<string, TensorLike>>, run?: { steps?: number }): Promise<unknown> => {
    if (disposed) throw new GradstepError('ERR_DISPOSED', 'The function has been disposed: its memory is gone');
    const { steps } = checkOptions('step options', run, { steps: optional(integer(1, 0x7fffffff), 1) });
    const data = readInputs(inputs, given ?? {});
    const opening = (preparing ??= prepare(describe as never, inputs, setting, call));
    opening.catch(() => (preparing = undefined));
    const prepared = await opening;
    return prepared.memory.store.lock.run(() => execute(prepared, data, steps));
  };
  const dispose = async (): Promise<void> => {
    if (disposed) return;
    disposed = true;
    const prepared = await preparing?.catch(() => undefined);
    preparing = undefined;
    if (prepared) await prepared.memory.store.lock.run(() => prepared.memory.release());
  };
  return Object.assign(call, { dispose, [Symbol.dispose]: () => void dispose() }) as unknown as CompiledFunction<I, R>;
}

function readInputs(
  specs: Readonly<Record<string, InputSpec>>,
  given: Readonly<Record<string, TensorLike>>,
): Map<string, Tensor> {
  for (const name of Object.keys(given)) {
    if (!Object.hasOwn(specs, name)) throw new GradstepError('ERR_OPTION', `The function has no input ${JSON.stringify(name)}`);
  }
  return new Map(
    Object.entries(specs).map(([name, { shape, dtype }]) => {
      const value = given[name];
      if (value === undefined) throw optionError(`input ${name}`, 'tensor', value);
      let t = tensorOf(value, `input ${name}`, dtype);
      if (t.data.length === sizeOf(shape) && t.shape.length === 1) t = new Tensor(t.data, shape);
      if (!sameShape(t.shape, shape)) {
        throw new GradstepError(
          'ERR_SHAPE',
          `Expected shape ${formatShape(shape)} for input ${name} but received ${formatShape(t.shape)}`,
        );
      }
      const data = dtype === 'int32' ? Int32Array.from(integers(t, `input ${name}`, 'numbers').data) : Float32Array.from(t.data);
      return [name, new Tensor(data, shape)];
    }),
  );
}

async function prepare(
  describe: (inputs: Record<string, Value>) => Described,
  specs: Readonly<Record<string, InputSpec>>,
  { device, threads, precision, seed, deterministic }: Setting,
  /** With what the memory goes when it is collected. */
  owner: object,
): Promise<Prepared> {
  const memory = await FunctionMemory.open(device, threads, deterministic);
  return memory.store.lock.run(async () => {
    try {
      const prepared = await build(describe, specs, { precision, seed }, memory);
      memory.goWith(owner);
      return prepared;
    } catch (error) {
      await memory.release();
      throw error;
    }
  });
}

async function build(
  describe: (inputs: Record<string, Value>) => Described,
  specs: Readonly<Record<string, InputSpec>>,
  { precision, seed }: Pick<Setting, 'precision' | 'seed'>,
  memory: FunctionMemory,
): Promise<Prepared> {
  const name = `function ${functions++}`;
  const { layout, session } = memory.store;
  const { low, high } = seedWords(seed ?? randomSeed());
  const state = memory.variable(`${name}/state`, 'int32', [4], Uint32Array.of(0, 0, low, high));
  const inputs = new Map(Object.entries(specs).map(([n, { shape, dtype }]) => [n, memory.variable(n, dtype!, shape)]));
  const flag = layout.declare(`${name}/flag`, 'int32', [4]);
  const trace = new Trace(memory, { state, flag }, seed);
  const { graph } = trace;
  const returned = tracing(trace, () =>
    describe(Object.fromEntries([...inputs].map(([n, variable]) => [n, graph.read(variable)]))),
  );
  const made = valuesOf(returned).map(([n, value]) => {
    if (!(value instanceof Value) || value.graph !== graph) throw optionError(`result ${n}`, 'value made by the function', value);
    const asFloat = elementwise('identity', value);
    const variable = layout.declare(n, 'float32', value.shape);
    assign(variable, asFloat);
    return variable;
  });
  // Side by side, so that one short read after a run gives everything.
  const report = memory.place([flag, ...made]);
  const results = made.map((variable) => ({ name: variable.name, shape: variable.shape, offset: layout.offsetOf(variable) }));
  finish(trace);
  advance(trace.state, 1, 0);
  const program = lower(graph, {
    name,
    backend: session.backend,
    precision,
    offsetOf: (v) => layout.offsetOf(v),
    persistentBytes: () => layout.bytes,
  });
  await memory.fill();
  await memory.store.fetch(trace.used);
  const entry = await memory.load(program);
  return { memory, trace, entry, inputs, report, results, isSingle: returned instanceof Value, steps: 0 };
}

/** What the function returned, by name. */
function valuesOf(returned: unknown): [string, unknown][] {
  if (returned === undefined) return [];
  if (returned instanceof Value) return [['result', returned]];
  const prototype: unknown = typeof returned === 'object' && returned !== null ? Object.getPrototypeOf(returned) : undefined;
  if (prototype !== Object.prototype && prototype !== null) {
    throw optionError('the result of the function', 'value, object of values or undefined', returned);
  }
  return Object.entries(returned as object);
}

/** Whether an error was found, []; undefined where nothing looks for any. */
function errorFound({ graph, flag }: Trace): Value | undefined {
  return graph.nodes.some(({ op }) => op.inputs.flag?.mutated) ? reshape(slice(flag, [0], [1]), []) : undefined;
}

/** What changes at the end of the step: nothing where an error was found. */
function finish(trace: Trace): void {
  const { graph, memory, flag } = trace;
  const stopped = errorFound(trace);
  const updates = trace.updates.map((u) => ({ ...u, gradients: u.gradients.map(held) }));
  const assigned = [...trace.assigned].map(([variable, value]) => ({ variable, value: held(value) }));
  for (const { optimizer, variables, gradients: grads } of updates) {
    const state = memory.stateOf(optimizer, variables);
    grads.forEach((g, i) => assign(state.grads.members[i]!, elementwise('identity', g)));
    const { learningRate } = optimizer;
    const rate = constant(graph, typeof learningRate === 'number' ? learningRate : 0, [1]);
    move(graph, { ...state, optimizer, grads: state.grads.whole, learningRate: rate, flag });
    for (const variable of variables) {
      const { constraint } = variable.traits;
      if (constraint) constrain(graph, memory.placeOf(variable), constraint, flag);
    }
    advance(trace.state, 0, 0, flag, { updates: graph.read(state.updates), moves: 1 });
  }
  for (const { variable, value, momentum } of trace.averages) {
    movingAverage(graph.read(memory.placeOf(variable)), held(value), momentum, trace.flag);
  }
  for (const { variable, value } of assigned) {
    const place = memory.placeOf(variable);
    assign(place, stopped ? elementwise('where', stopped, graph.read(place), value) : elementwise('identity', value));
  }
}

async function execute(prepared: Prepared, data: ReadonlyMap<string, Tensor>, steps: number): Promise<unknown> {
  const { memory, trace, entry, inputs, report, results, isSingle } = prepared;
  const { store } = memory;
  const { session, layout } = store;
  await store.fetch(trace.used);
  const { changed } = trace;
  const homes = changed.map((v) => v.home);
  const bytes = await whileChanging(homes, store, 'the function', async () => {
    const copies: Promise<unknown>[] = [];
    for (const [name, t] of data) {
      copies.push((await session.handOverRange(layout.offsetOf(inputs.get(name)!), t.data, name)).copied);
    }
    const copied = Promise.all([...copies, session.write(report.offset, new Uint32Array(4))]);
    copied.catch(() => undefined); // what keeps copies from being made keeps the run from it, too
    store.claim(changed);
    let done = 0;
    try {
      for (;;) {
        const result = await session.run([{ entry, steps: steps - done }], report);
        done += result.steps;
        const [code, index, value, step] = new Int32Array(result.report, 0, 4) as unknown as [number, number, number, number];
        // Every step of the call has the same rows.
        checkFlag({ code, index, value, step }, { what: 'gs.compile', firstStep: prepared.steps, batchSize: 0 });
        if (done < steps) continue;
        await copied;
        return result.report;
      }
    } finally {
      prepared.steps += done;
      store.claim(changed);
    }
  });
  const tensors = results.map(({ name, shape, offset }): [string, Tensor] => [
    name,
    new Tensor(new Float32Array(bytes, offset - report.offset, sizeOf(shape)).slice(), shape),
  ]);
  if (isSingle) return tensors[0]![1];
  return results.length === 0 ? undefined : Object.fromEntries(tensors);
}
