/**
 * bidirectional (Schuster & Paliwal 1997): a recurrent layer and one like it that goes through the sequence from its end.
 * Both yield each step's result at that step.
 */
import { GradstepError, optionError } from '../errors.js';
import type { Value } from '../graph/graph.js';
import { formatShape, sameShape, type Shape } from '../graph/shape.js';
import { concat } from '../ops/concat.js';
import { elementwise } from '../ops/map.js';
import { oneOf, optional, type Check, type Checked, type SchemaOf } from '../options.js';
import { addActivityLoss } from './activity_loss.js';
import { checkStates } from './cell.js';
import { defineGeneralLayer, Layer, type LayerOptions, type WeightSpec } from './define_layer.js';
import { innerContext, innerWeights } from './inner_layer.js';
import { layerClass } from './layer_classes.js';
import { recurrentShapes, runRecurrence, stepOf, type Recurrence } from './recurrent.js';

export interface BidirectionalOptions extends LayerOptions {
  /** The recurrent layer that goes from the first step to the last. */
  layer: Layer;
  /** The one that goes from the last to the first: a layer with `goBackwards`. Default: one like `layer`, with weights of its own. */
  backwardLayer?: Layer;
  /** What is made of the two results: side by side, their sum, product or mean; null: they stay two. Default `concat`. */
  mergeMode?: 'concat' | 'sum' | 'mul' | 'ave' | null;
}

const recurrent: Check<Layer> = (value, name) => {
  if (value instanceof Layer && value.parts.recurrence) return value;
  const given = value instanceof Layer ? value.parts.baseName : value;
  throw optionError(name, 'recurrent layer, such as layers.lstm makes', given);
};

const mergeMode = oneOf(['concat', 'sum', 'mul', 'ave']);

const options = {
  layer: recurrent,
  backwardLayer: optional(recurrent, undefined),
  mergeMode: ((value, name) => (value === null ? null : optional(mergeMode, 'concat' as const)(value, name))) as Check<
    'concat' | 'sum' | 'mul' | 'ave' | null
  >,
} satisfies SchemaOf<Omit<BidirectionalOptions, keyof LayerOptions>>;

type Options = Checked<typeof options>;

/**
 * A layer of the same kind and options, but for `changes`; it and the layers inside it have weights of their own, which are frozen
 * as those that they are copies of are.
 */
function copyOf(layer: Layer, changes: Record<string, unknown> = {}): Layer {
  const copied = (value: unknown): unknown => {
    if (value instanceof Layer) return copyOf(value);
    return Array.isArray(value) ? value.map(copied) : value;
  };
  const { name, learningRateMultiplier, activityRegularizer } = layer;
  const own = Object.entries(layer.options).map(([key, value]): [string, unknown] => [key, copied(value)]);
  const given = { ...Object.fromEntries(own), name, learningRateMultiplier, activityRegularizer, ...changes };
  return layerClass(layer.className, layer.parts.baseName)(given);
}

/** Backward layers that were not given, by the options they belong to. */
const copies = new WeakMap<object, Layer>();

/** Both layers, with the prefix of what is theirs. */
function directions(o: Options): { layer: Layer; recurrence: Recurrence; prefix: string }[] {
  if (!o.backwardLayer && !copies.has(o)) copies.set(o, copyOf(o.layer, { goBackwards: true }));
  const both = [o.layer, o.backwardLayer ?? copies.get(o)!];
  return both.map((layer, i) => {
    const { cell, options: own } = layer.parts.recurrence!;
    // Two results for one step are merged: where neither is, there should be nothing, as in Keras.
    const recurrence = { cell, options: { ...own, zeroOutputForMask: true } };
    return { layer, recurrence, prefix: `${i === 0 ? 'forward' : 'backward'}_${layer.name ?? layer.parts.baseName}` };
  });
}

function merge(mode: Exclude<Options['mergeMode'], null>, forward: Value, backward: Value): Value {
  if (mode === 'concat') return concat([forward, backward], forward.shape.length - 1);
  if (mode === 'mul') return elementwise('mul', forward, backward);
  const sum = elementwise('add', forward, backward);
  return mode === 'sum' ? sum : elementwise('mul', sum, 0.5);
}

/** Shape of the merged result; ERR_SHAPE where the two do not fit together. */
function mergedShape(mode: Exclude<Options['mergeMode'], null>, forward: Shape, backward: Shape): Shape {
  const same = mode === 'concat' ? forward.length - 1 : forward.length;
  if (!sameShape(forward.slice(0, same), backward.slice(0, same))) {
    const shapes = `${formatShape(forward)} and ${formatShape(backward)}`;
    throw new GradstepError('ERR_SHAPE', `Cannot merge results of shape ${shapes} by "${mode}"`);
  }
  return mode === 'concat' ? [...forward.slice(0, -1), forward.at(-1)! + backward.at(-1)!] : forward;
}

const make = defineGeneralLayer({
  className: 'Bidirectional',
  factory: 'bidirectional',
  baseName: 'bidirectional',
  options,
  check({ layer, backwardLayer }) {
    const where = 'layers.bidirectional';
    const forward = layer.parts.recurrence!.options;
    if (forward.goBackwards) throw optionError(`${where}.layer.goBackwards`, 'false', true);
    const backward = backwardLayer?.parts.recurrence?.options;
    if (!backward) return;
    if (!backward.goBackwards) throw optionError(`${where}.backwardLayer.goBackwards`, 'true', false);
    for (const name of ['returnSequences', 'returnState', 'stateful'] as const) {
      if (backward[name] === forward[name]) continue;
      throw optionError(`${where}.backwardLayer.${name}`, `${forward[name]}, as the layer has it,`, backward[name]);
    }
  },
  weights: (o, inputs) => {
    const [x] = inputs;
    const [forward, backward] = directions(o).map(({ layer, prefix }) => innerWeights(layer, prefix, [x!])) as [
      WeightSpec[],
      WeightSpec[],
    ];
    if (o.backwardLayer) return [...forward, ...backward];
    const copied = backward.map((weight, i): WeightSpec => ({
      ...weight,
      get frozen() {
        // As what it is a copy of.
        return forward[i]!.frozen === true || !forward[i]!.owner!.layer.trainable;
      },
    }));
    return [...forward, ...copied];
  },
  outputShapes(o, inputs) {
    const [x] = inputs;
    const both = directions(o);
    const states = both.flatMap(({ recurrence: { cell }, prefix }) =>
      cell.states(stepOf(cell, x!)).map(({ role, shape }) => ({ role: `${prefix}/${role}`, shape })),
    );
    checkStates('layers.bidirectional', inputs, states);
    const [forward, backward] = both.map(({ recurrence }) => recurrentShapes(recurrence, x!)) as [Shape[], Shape[]];
    const [first, second] = [forward[0]!, backward[0]!];
    const merged = o.mergeMode === null ? [first, second] : [mergedShape(o.mergeMode, first, second)];
    return [...merged, ...forward.slice(1), ...backward.slice(1)];
  },
  call(o, [x, ...states], context) {
    const half = states.length / 2;
    const [forward, backward] = directions(o).map(({ layer, recurrence, prefix }, i) => {
      const given = i === 0 ? states.slice(0, half) : states.slice(half);
      const inner = innerContext(context, prefix);
      const run = runRecurrence(recurrence, x!, given, inner, i === 0 ? 'forward' : 'backward');
      addActivityLoss(layer.activityRegularizer, run.results, inner);
      return run;
    }) as [ReturnType<typeof runRecurrence>, ReturnType<typeof runRecurrence>];
    const [[first, ...firstStates], [second, ...secondStates]] = [forward.results, backward.results];
    context.setMask(forward.mask);
    if (o.mergeMode === null) context.setMask(backward.mask, 1);
    const merged = o.mergeMode === null ? [first!, second!] : [merge(o.mergeMode, first!, second!)];
    return [...merged, ...firstStates, ...secondStates];
  },
});

/**
 * A recurrent layer in both directions (Schuster & Paliwal 1997): of [rows, time, …] the results of a layer that goes
 * forward and of one that goes backward, each at its step, merged; masked steps yield 0 with `returnSequences`. With
 * `returnState` the forward states follow, then the backward ones; apply it to [x, …forward states, …backward states] for
 * initial states. Weights: the forward layer's, then the backward layer's, as `bidirectional/forward_lstm/kernel` …
 */
export function bidirectional(options: BidirectionalOptions): Layer {
  return make(options);
}
