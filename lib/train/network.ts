/**
 * A network is a model's description: which layers are called on what, with their names, shapes and weights, and how a
 * batch flows through them. It knows nothing of devices; the engine gives its weights memory.
 */
import { GradstepError } from '../errors.js';
import type { Graph, Value, Variable } from '../graph/graph.js';
import { formatShape, isKnown, sameShape, type PartialShape, type Shape } from '../graph/shape.js';
import type { CallContext, Layer, WeightSpec } from '../layers/layer.js';
import type { LayerCall, SymbolicTensor } from '../layers/symbolic.js';
import { outputShapesOf, weightsOf } from '../layers/unknown_sizes.js';
import { sum } from '../ops/reduce_sum.js';
import { streamOf } from '../random.js';
import { callsTo } from './calls.js';

/** A layer in its place. */
export interface PlacedLayer {
  readonly name: string;
  readonly layer: Layer;
  /** Shapes of one sample, at its first call. */
  readonly inputs: readonly PartialShape[];
  readonly outputs: readonly PartialShape[];
  readonly weights: readonly PlacedWeight[];
}

export interface PlacedWeight extends WeightSpec {
  /** `dense_1/kernel`. */
  readonly name: string;
  /** Whose it is, and its role there: models in which the same layer stands share the weight. */
  readonly owner: { readonly layer: Layer; readonly role: string };
  /** Whether a layer that it belongs to is frozen at the moment. */
  readonly frozen: boolean;
  /** Whether training changes it, as its layers say at the moment. */
  readonly trained: boolean;
  readonly learningRateMultiplier: number;
}

export interface NetworkInput {
  readonly name: string;
  /** Shape of one sample. */
  readonly shape: PartialShape;
  readonly dtype: 'float32' | 'int32';
}

/** A result of a call by the call's number, or with −1 an input of the model. */
export type Reference = readonly [call: number, index: number];

/** A call of a placed layer. */
interface Step {
  readonly placed: PlacedLayer;
  /** How many calls of the same layer come before this one. */
  readonly nth: number;
  readonly inputs: readonly SymbolicTensor[];
  readonly call: LayerCall;
}

/** What a batch turns into. */
export interface Flow {
  readonly outputs: readonly Value[];
  /** The mask of each output: float32 [rows, time]; undefined where every position counts. */
  readonly masks: readonly (Value | undefined)[];
  /** What weights that are not trained become at the end of a training step. */
  readonly updates: readonly { readonly variable: Variable; readonly value: Value; readonly momentum: number }[];
  /** What is carried over to the next batch, as it becomes at the end of the step. */
  readonly carries: readonly { readonly variable: Variable; readonly value: Value }[];
  /** What layers add to the loss, [] each. */
  readonly losses: readonly Value[];
}

export interface FlowContext {
  readonly state: Value;
  readonly flag: Value;
  readonly training: boolean;
  /** Whether the layers that a weight belongs to are frozen: they leave their statistics as they are. */
  isFrozen(weight: PlacedWeight): boolean;
  /** Where each weight lies. */
  variableOf(weight: PlacedWeight): Variable;
  /** The random stream of a path; inside a nested model it begins with the model's name. */
  stream?(path: string): number;
  /** Where what is carried from batch to batch lies, by `layer/role`; absent where nothing can be. */
  carried?(path: string, shape: Shape): Variable;
  /** Hears of the results of every call, in order. */
  onCall?(placed: PlacedLayer, outputs: readonly Value[]): void;
}

/** Names that models gave to layers without one; a layer keeps its name in other models, if it is free there. */
const givenNames = new WeakMap<Layer, string>();

/** Gives each layer its name: the one in its options, or its kind with a number where the kind occurs again. */
export function nameLayers(layers: readonly Layer[]): string[] {
  const taken = new Set<string>();
  for (const { name } of layers) {
    if (name === undefined) continue;
    if (taken.has(name))
      throw new GradstepError('ERR_OPTION', `Expected a name of its own for each layer but "${name}" occurs twice`);
    taken.add(name);
  }
  return layers.map((layer) => {
    if (layer.name !== undefined) return layer.name;
    const { baseName } = layer.parts;
    let automatic = givenNames.get(layer) ?? baseName;
    for (let n = 1; taken.has(automatic); n++) automatic = `${baseName}_${n}`;
    taken.add(automatic);
    if (!givenNames.has(layer)) givenNames.set(layer, automatic);
    return automatic;
  });
}

/** Runs `body`; an error inside names the layer. */
export function atLayer<T>(name: string, body: () => T): T {
  try {
    return body();
  } catch (error) {
    if (!(error instanceof GradstepError) || error.layer !== undefined) throw error;
    throw new GradstepError(error.code, `${error.message} (in ${name})`, { layer: name, cause: error });
  }
}

export class Network {
  readonly layers: readonly PlacedLayer[];
  readonly inputs: readonly NetworkInput[];
  /** Names of the layers that yield the outputs; made unique where one yields several. */
  readonly outputNames: readonly string[];
  /** Every weight once, in Keras's order. */
  readonly weights: readonly PlacedWeight[];
  private readonly steps: readonly Step[];

  /** @param order layers in the order of the user's list, where there is one; names are given in this order. */
  constructor(
    private readonly symbolicInputs: readonly SymbolicTensor[],
    private readonly symbolicOutputs: readonly SymbolicTensor[],
    order?: readonly Layer[],
  ) {
    const { calls, layers: found } = callsTo(symbolicOutputs, symbolicInputs);
    const layers = order ?? found;
    const names = nameLayers(layers);
    const placed = new Map<Layer, PlacedLayer>();
    const counts = new Map<Layer, number>();
    this.steps = calls.map((call) => {
      const { layer } = call;
      const name = names[layers.indexOf(layer)]!;
      return atLayer(name, () => {
        const first = placed.get(layer);
        const here = place(
          layer,
          name,
          call.inputs.map((t) => t.shape),
        );
        if (first) checkSameWeights(first, here);
        else placed.set(layer, here);
        const nth = counts.get(layer) ?? 0;
        counts.set(layer, nth + 1);
        return { placed: first ?? here, nth, inputs: call.inputs, call };
      });
    });
    this.layers = layers.flatMap((layer) => placed.get(layer) ?? []);
    this.inputs = symbolicInputs.map(({ shape, source }, i) => {
      const { name, dtype } = 'call' in source ? { name: undefined, dtype: 'float32' as const } : source;
      return { name: name ?? (symbolicInputs.length === 1 ? 'input' : `input_${i}`), shape, dtype };
    });
    const twice = this.inputs.find(({ name }, i) => this.inputs.findIndex((other) => other.name === name) !== i);
    if (twice)
      throw new GradstepError('ERR_OPTION', `Expected a name of its own for each input but "${twice.name}" occurs twice`);
    this.outputNames = this.nameOutputs();
    const known = new Set<string>();
    this.weights = this.layers.flatMap((l) => l.weights).filter(({ owner }) => isNew(known, owner));
  }

  /** Shape of one sample of each result. */
  get outputs(): readonly PartialShape[] {
    return this.symbolicOutputs.map((t) => t.shape);
  }

  /** The same where samples have these shapes; ERR_SHAPE where a layer cannot take them. */
  outputsFor(inputs: readonly Shape[]): readonly Shape[] {
    const { outputs } = this;
    if (outputs.every(isKnown) && this.inputs.every((i) => isKnown(i.shape))) return outputs;
    return this.openOutputsFor(inputs) as readonly Shape[];
  }

  /** The same where they may have sizes that are not known either. */
  openOutputsFor(inputs: readonly PartialShape[]): readonly PartialShape[] {
    const shapes = new Map<SymbolicTensor, PartialShape>(this.symbolicInputs.map((tensor, i) => [tensor, inputs[i]!]));
    const results = new Map<LayerCall, readonly PartialShape[]>();
    const at = (tensor: SymbolicTensor): PartialShape => {
      const { call, index } = tensor.source as { call: LayerCall; index: number };
      return shapes.get(tensor) ?? results.get(call)![index]!;
    };
    for (const { placed, call } of this.steps) {
      const taken = call.inputs.map(at);
      results.set(
        call,
        atLayer(placed.name, () => outputShapesOf(call.layer.parts, taken)),
      );
    }
    return this.symbolicOutputs.map(at);
  }

  /** Whether layers carry something from batch to batch. */
  get isStateful(): boolean {
    return this.layers.some(({ layer }) => layer.parts.isStateful());
  }

  /** The layer that reads an input first. */
  readerOf(input: number): string {
    const tensor = this.symbolicInputs[input]!;
    return this.steps.find((s) => s.inputs.includes(tensor))?.placed.name ?? this.inputs[input]!.name;
  }

  /** The graph of layers: its inputs, and each call with the layer's number and where its inputs come from. */
  describe(): { calls: { layer: number; inputs: Reference[] }[]; outputs: Reference[] } {
    const refer = (tensor: SymbolicTensor): Reference => {
      const at = this.symbolicInputs.indexOf(tensor);
      if (at >= 0) return [-1, at];
      const { call, index } = tensor.source as { call: LayerCall; index: number };
      return [this.steps.findIndex((s) => s.call === call), index];
    };
    const calls = this.steps.map(({ placed, inputs }) => ({ layer: this.layers.indexOf(placed), inputs: inputs.map(refer) }));
    return { calls, outputs: this.symbolicOutputs.map(refer) };
  }

  /** Throws ERR_OPTION where layers inside different parts are one layer: a saved form has no way to say so. */
  checkOwnParts(): void {
    for (const { name, owner } of this.layers.flatMap((l) => l.weights)) {
      const first = this.weights.find((w) => w.owner.layer === owner.layer && w.owner.role === owner.role)!;
      if (first.name === name) continue;
      throw new GradstepError('ERR_OPTION', `Cannot be described: ${name} is the same weight as ${first.name} in another part`);
    }
  }

  private nameOutputs(): string[] {
    const makers = this.symbolicOutputs.map((tensor) => {
      const { source } = tensor;
      const step = 'call' in source ? this.steps.find((s) => s.call === source.call) : undefined;
      return step?.placed.name ?? this.inputs[this.symbolicInputs.indexOf(tensor)]!.name;
    });
    const taken = new Set<string>();
    return makers.map((name, i) => {
      let own = name;
      for (let n = 1; taken.has(own) || (n > 1 && makers.indexOf(own) > i); n++) own = `${name}_${n}`;
      taken.add(own);
      return own;
    });
  }

  /** Describes what happens to a batch. */
  forward(graph: Graph, xs: readonly Value[], context: FlowContext, masks: readonly (Value | undefined)[] = []): Flow {
    const values = new Map<SymbolicTensor, { value: Value; mask: Value | undefined }>();
    this.symbolicInputs.forEach((tensor, i) => values.set(tensor, { value: xs[i]!, mask: masks[i] }));
    const results = new Map<LayerCall, { value: Value; mask: Value | undefined }[]>();
    const at = (tensor: SymbolicTensor) => {
      const { source } = tensor;
      return values.get(tensor) ?? results.get((source as { call: LayerCall }).call)![(source as { index: number }).index]!;
    };
    const ends: Ends = { updates: [], carries: [], losses: [] };
    for (const { placed, nth, inputs, call } of this.steps) {
      const taken = inputs.map(at);
      results.set(
        call,
        graph.inScope(placed.name, () => callLayer(graph, placed, nth, taken, context, ends)),
      );
    }
    const outputs = this.symbolicOutputs.map(at);
    return { outputs: outputs.map((e) => e.value), masks: outputs.map((e) => e.mask), ...ends };
  }
}

function isNew(known: Set<string>, { layer, role }: PlacedWeight['owner']): boolean {
  let id = ids.get(layer);
  if (id === undefined) ids.set(layer, (id = nextId++));
  const key = `${id} ${role}`;
  if (known.has(key)) return false;
  known.add(key);
  return true;
}

const ids = new WeakMap<Layer, number>();
let nextId = 0;

function place(layer: Layer, name: string, inputs: readonly PartialShape[]): PlacedLayer {
  const weights = weightsOf(layer.parts, inputs).map((w): PlacedWeight => {
    const owner = w.owner ?? { layer, role: w.role };
    const inner = w.learningRateMultiplier ?? (owner.layer === layer ? 1 : owner.layer.learningRateMultiplier);
    return {
      ...w,
      name: `${name}/${w.role}`,
      owner,
      learningRateMultiplier: layer.learningRateMultiplier * inner,
      get frozen() {
        return w.frozen === true || !layer.trainable || !owner.layer.trainable;
      },
      get trained() {
        return w.trainable !== false && !this.frozen;
      },
    };
  });
  return { name, layer, inputs, outputs: outputShapesOf(layer.parts, inputs), weights };
}

/** A layer that is called again must need the same weights. */
function checkSameWeights(first: PlacedLayer, again: PlacedLayer): void {
  again.weights.forEach(({ role, shape }, i) => {
    const before = first.weights[i]?.shape ?? [];
    if (sameShape(before, shape)) return;
    const shapes = `${formatShape(shape)} where its first call has ${formatShape(before)}`;
    throw new GradstepError('ERR_SHAPE', `A second call of the layer would need ${role} of shape ${shapes}`);
  });
}

/** What the end of a step does besides the update. */
interface Ends {
  readonly updates: Flow['updates'][number][];
  readonly carries: Flow['carries'][number][];
  readonly losses: Value[];
}

function callLayer(
  graph: Graph,
  placed: PlacedLayer,
  nth: number,
  inputs: readonly { value: Value; mask: Value | undefined }[],
  flow: FlowContext,
  { updates, carries, losses }: Ends,
): { value: Value; mask: Value | undefined }[] {
  const { name, layer, weights } = placed;
  const { inputDtype, passesMask } = layer.parts;
  for (const { value } of inputs) {
    if (inputDtype === 'any' || value.dtype === inputDtype) continue;
    const hint = inputDtype === 'int32' ? ': give the model an input of dtype "int32"' : '';
    throw new GradstepError('ERR_DTYPE', `Expected ${inputDtype} inputs but received ${value.dtype}${hint}`);
  }
  const weightOf = (role: string): PlacedWeight => {
    const weight = weights.find((w) => w.role === role);
    if (!weight) throw new GradstepError('ERR_OPTION', `${name} has no weight "${role}"`);
    return weight;
  };
  const variable = (role: string): Variable => flow.variableOf(weightOf(role));
  const stream = flow.stream ?? streamOf;
  const pathOf = (role: string): string => (nth === 0 ? `${name}/${role}` : `${name}/${nth}/${role}`);
  const placeOf = (role: string, shape: Shape): Variable => {
    if (flow.carried) return flow.carried(pathOf(role), shape);
    const hint = 'give it its states as further inputs, and return them';
    throw new GradstepError('ERR_OPTION', `A stateful layer carries nothing over where a model is called: ${hint}`);
  };
  const masks = inputs.map((i) => i.mask);
  const mask = masks.find((m) => m !== undefined);
  const resultMasks = [passesMask ? mask : undefined];
  const context: CallContext = {
    training: flow.training,
    trainable: weights.length === 0 || weights.some((w) => !flow.isFrozen(w)),
    isFrozen: (role) => flow.isFrozen(weightOf(role)),
    state: flow.state,
    flag: flow.flag,
    mask,
    masks,
    setMask: (m, result = 0) => (resultMasks[result] = m),
    weight: (role) => graph.read(variable(role)),
    update: (role, value, momentum) => {
      if (flow.training) updates.push({ variable: variable(role), value, momentum });
    },
    addLoss: (value) => losses.push(sum(value)),
    stream: (role) => stream(pathOf(role)),
    carried: (role, shape) => graph.read(placeOf(role, shape)),
    carry: (role, value) => carries.push({ variable: placeOf(role, value.shape), value }),
  };
  const outputs = layer.parts.call(
    inputs.map((i) => i.value),
    context,
  );
  flow.onCall?.(placed, outputs);
  return outputs.map((value, i) => ({ value, mask: resultMasks[i] }));
}
