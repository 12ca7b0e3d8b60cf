/**
 * convLstm2d (Shi et al. 2015): an LSTM whose products are convolutions, over frames [rows, time, height, width, channels].
 * The frames of all steps are convolved at once, with time folded into the batch; then, step by step, the state is convolved
 * and the gates follow. Weights: kernel [kh, kw, in, 4·filters], recurrent_kernel [kh, kw, filters, 4·filters],
 * bias [4·filters]; gates i, f, c, o.
 */
import { sigmoid, tanh } from '../activations/index.js';
import { activationOption, type Activation, type ActivationName } from '../activations/activation.js';
import type { Value } from '../graph/graph.js';
import type { Shape } from '../graph/shape.js';
import { glorotUniform, orthogonal } from '../initializers/index.js';
import type { Initializer } from '../initializers/initializer.js';
import type { InitializerName } from '../initializers/registry.js';
import { elementwise } from '../ops/map.js';
import { sliceAxis } from '../ops/pad.js';
import { reshape } from '../ops/reshape.js';
import { convolution, type SlidingWindow } from '../ops/sliding.js';
import { boolean, integer, optional, type Checked, type SchemaOf } from '../options.js';
import { dropFeatures, stateFactors, type Cell, type CellRun } from './cell.js';
import { windowLayerOptions, windowOf, type WindowLayerOptions } from './conv.js';
import type { Layer, LayerOptions } from './define_layer.js';
import { rateOption } from './drop_options.js';
import { gateBias } from './lstm.js';
import { defineRecurrent, type RecurrentOptions } from './recurrent.js';
import { unrolled } from './unrolled.js';
import { weight, weightOptions, type KernelOptions, type WeightOptions } from './weight_options.js';
import { windowedSize } from './window.js';

export interface ConvLSTM2dOptions
  extends Omit<WindowLayerOptions<2>, keyof LayerOptions>, RecurrentOptions, KernelOptions, WeightOptions<'recurrent'> {
  /** Channels of the states and of the result. */
  filters: number;
  /** Applied to the candidate state and to the state. Default `tanh`. */
  activation?: ActivationName | Activation;
  /** Applied to the gates i, f and o. Default `sigmoid`. */
  recurrentActivation?: ActivationName | Activation;
  /** First values of the recurrent kernel. Default `orthogonal`. */
  recurrentInitializer?: InitializerName | Initializer;
  /** Whether the forget gate's bias begins at 1. Default true. */
  unitForgetBias?: boolean;
  /** While training, probability of each element of a frame to be zeroed at all steps of its sample, in [0, 1). Default 0. */
  dropout?: number;
  /**
   * While training, probability of each element of a sample's state to be zeroed, at all steps, before it is convolved, in
   * [0, 1). One draw serves all gates, where Keras draws one a gate; so does that of `dropout`. Default 0.
   */
  recurrentDropout?: number;
}

const options = {
  filters: integer(1),
  ...windowLayerOptions(2),
  activation: optional(activationOption, tanh),
  recurrentActivation: optional(activationOption, sigmoid),
  ...weightOptions('kernel', glorotUniform()),
  ...weightOptions('recurrent', orthogonal()),
  unitForgetBias: optional(boolean, true),
  dropout: optional(rateOption, 0),
  recurrentDropout: optional(rateOption, 0),
} satisfies SchemaOf<Omit<ConvLSTM2dOptions, keyof RecurrentOptions>>;

type Options = Checked<typeof options>;

/** The frames of all steps convolved with the kernel, plus the bias: [rows, time, …, 4·filters]. */
function convolvedFrames(o: Options, x: Value, { context }: CellRun): Value {
  const [rows, time, ...frame] = x.shape as [number, number, ...number[]];
  const frames = reshape(dropFeatures(x, o.dropout, context), [rows * time, ...frame]);
  const y = convolution(2, frames, context.weight('kernel'), windowOf(o), 1, o.useBias ? context.weight('bias') : undefined);
  return reshape(y, [rows, time, ...y.shape.slice(1)]);
}

function run(o: Options, x: Value, cellRun: CellRun): ReturnType<Cell['run']> {
  const { context, states } = cellRun;
  const { filters, activation, recurrentActivation } = o;
  const xw = convolvedFrames(o, x, cellRun);
  const [rows, , ...size] = xw.shape.slice(0, -1) as [number, number, ...number[]];
  const keep = stateFactors([rows, ...size, filters], o.recurrentDropout, context);
  const around: SlidingWindow = { size: o.kernelSize, strides: [1, 1], dilation: [1, 1], padding: 'same' };
  const recurrent = (h: Value): Value =>
    convolution(2, keep ? elementwise('mul', h, keep) : h, context.weight('recurrent_kernel'), around, 1);
  return unrolled(
    xw,
    cellRun,
    (input, [h, c]) => {
      const z = h ? elementwise('add', input, recurrent(h)) : input;
      const gate = (n: number): Value => sliceAxis(z, z.shape.length - 1, n * filters, (n + 1) * filters);
      const added = elementwise('mul', recurrentActivation(gate(0)), activation(gate(2)));
      const nextC = c ? elementwise('add', elementwise('mul', recurrentActivation(gate(1)), c), added) : added;
      const nextH = elementwise('mul', recurrentActivation(gate(3)), activation(nextC));
      return { y: nextH, states: [nextH, nextC] };
    },
    states[0],
  );
}

function convLstmCellOf(o: Options): Cell {
  const state = (step: Shape): Shape => [...windowedSize(2, step, windowOf(o)), o.filters];
  return {
    axes: ['height', 'width', 'channels'],
    weights: (step) => [
      weight(o, 'kernel', [...o.kernelSize, step.at(-1)!, 4 * o.filters]),
      weight(o, 'recurrent', [...o.kernelSize, o.filters, 4 * o.filters], 'recurrent_kernel'),
      ...(o.useBias ? [gateBias(o, o.filters)] : []),
    ],
    states: (step) => ['h', 'c'].map((role) => ({ role, shape: state(step) })),
    output: state,
    run: (x, cellRun) => run(o, x, cellRun),
  };
}

const make = defineRecurrent({
  className: 'ConvLSTM2D',
  factory: 'convLstm2d',
  baseName: 'conv_lstm2d',
  options,
  cell: convLstmCellOf,
});

/**
 * An LSTM over frames whose products are convolutions (Shi et al. 2015): [rows, time, height, width, in] →
 * [rows, height′, width′, filters], or [rows, time, height′, width′, filters] with `returnSequences`. At each step, with
 * z = x∗kernel + bias + h∗recurrent_kernel, whose four parts belong to i, f, c and o: c ← f·c + i·activation(z_c),
 * h ← o·activation(c). `strides`, `padding` and `dilationRate` are those of the frames' convolution; that of the state keeps
 * its size. Apply it to [x, h, c] for initial states. Weights: kernel [kh, kw, in, 4·filters], recurrent_kernel
 * [kh, kw, filters, 4·filters], bias [4·filters].
 */
export function convLstm2d(options: ConvLSTM2dOptions): Layer {
  return make(options);
}
