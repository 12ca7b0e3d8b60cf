/**
 * Models of random layers with random options, by number: the same number gives the same model and the same data. Layers are
 * drawn until they fit what is there. Those that normalise a few numbers are left out: what they leave of a gradient is noise.
 */
import * as gs from '../../lib/index.js';
import { GradstepError } from '../../lib/errors.js';
import { Draws } from './draws.js';

const { layers } = gs;

export interface RandomModel {
  /** What it is made of. */
  readonly text: string;
  /** Makes it anew: the layers, and all else but the first weights, are the same. */
  make(): gs.Model;
  readonly loss: gs.LossName;
  readonly x: gs.Tensor;
  readonly y: gs.Tensor;
  readonly batchSize: number;
}

/** A layer to be, with how it is written down. */
interface Draw {
  readonly text: string;
  apply(x: gs.SymbolicTensor): gs.SymbolicTensor;
}

/** Draws of one kind are written as `name: options`. */
type Options = Record<string, unknown>;
type Drawn = readonly [name: string, options: Options];

/** Of one sample of a value, at most. */
const MOST_NUMBERS = 3000;
/** Numbers that a layer normalises at least. */
const FEWEST_NORMALISED = 8;

const ACTIVATIONS = [
  'relu',
  'tanh',
  'sigmoid',
  'gelu',
  'elu',
  'selu',
  'softplus',
  'silu',
  'linear',
  'leakyRelu',
  'mish',
] as const;
const LOSSES = ['meanSquaredError', 'sparseCategoricalCrossentropy', 'categoricalCrossentropy', 'binaryCrossentropy'] as const;
const OUTPUTS = 3;

class LayerDraws extends Draws {
  /** In [−1, 1). */
  numbers(count: number): Float32Array {
    return Float32Array.from({ length: count }, () => this.number(-1, 1));
  }

  private weights(): Options {
    return {
      // The one that is fused with most.
      activation: this.chance(0.5) ? 'relu' : this.pick(ACTIVATIONS),
      ...(this.chance(0.1) && { kernelRegularizer: this.pick(['l1', 'l2']) }),
      ...(this.chance(0.1) && { kernelConstraint: this.pick(['maxNorm', 'nonNeg']) }),
      ...(this.chance(0.1) && { learningRateMultiplier: 0.5 }),
      ...(this.chance(0.15) && { useBias: false }),
    };
  }

  private window(most: number): Options {
    return { padding: this.pick(['valid', 'same']), strides: this.pick([1, 1, 2]), kernelSize: this.integer(1, most) };
  }

  private cell(): Options {
    return {
      units: this.pick([3, 8, 16, 20]),
      returnSequences: this.chance(0.6),
      goBackwards: this.chance(0.2),
      ...(this.chance(0.2) && { dropout: 0.2 }),
    };
  }

  /** Layers for values of any number of axes. */
  private anywhere(): readonly (() => Drawn)[] {
    return [
      () => ['activation', { activation: this.pick(ACTIVATIONS) }],
      () => ['dense', { units: this.pick([1, 2, 5, 8, 16, 33, 64]), ...this.weights() }],
      () => ['layerNormalization', {}],
      () => ['rmsNormalization', {}],
      () => ['batchNormalization', {}],
      () => ['dropout', { rate: 0.3 }],
      () => ['gaussianNoise', { stddev: 0.1 }],
      () => ['prelu', {}],
      () => ['rescaling', { scale: 0.7, offset: 0.1 }],
    ];
  }

  private onSequences(): readonly (() => Drawn)[] {
    const filters = () => this.pick([1, 3, 8, 16]);
    return [
      () => ['lstm', this.cell()],
      () => ['gru', { ...this.cell(), resetAfter: this.chance(0.6) }],
      () => ['simpleRNN', this.cell()],
      () => ['bidirectional', { layer: this.pick(['lstm', 'gru', 'simpleRNN']), of: this.cell() }],
      () => ['masked', { layer: this.pick(['lstm', 'gru', 'simpleRNN']), of: this.cell() }],
      () => ['conv1d', { filters: filters(), ...this.window(4), ...this.weights() }],
      () => ['conv1d', { filters: filters(), kernelSize: 3, padding: 'same', ...this.weights() }],
      () => ['conv1dTranspose', { filters: filters(), ...this.window(3) }],
      () => ['depthwiseConv1d', { kernelSize: this.integer(1, 3), depthMultiplier: this.integer(1, 2) }],
      () => ['separableConv1d', { filters: 5, kernelSize: this.integer(1, 3) }],
      () => ['maxPooling1d', { poolSize: this.integer(1, 3), padding: this.pick(['valid', 'same']) }],
      () => ['averagePooling1d', { poolSize: this.integer(1, 3), padding: this.pick(['valid', 'same']) }],
      () => ['globalAveragePooling1d', {}],
      () => ['multiHeadAttention', { numHeads: this.integer(1, 3), keyDim: this.pick([1, 4, 8]) }],
      () => ['permute', { dims: [2, 1] }],
      () => ['upSampling1d', { size: 2 }],
    ];
  }

  private onImages(): readonly (() => Drawn)[] {
    const filters = () => this.pick([1, 3, 8, 16, 24]);
    return [
      () => ['conv2d', { filters: filters(), ...this.window(5), ...this.weights() }],
      () => ['conv2d', { filters: filters(), kernelSize: 3, padding: 'same', ...this.weights() }],
      () => ['conv2d', { filters: 8, kernelSize: 3, dilationRate: 2, padding: 'same', ...this.weights() }],
      () => ['conv2d', { filters: 4, kernelSize: 3, groups: 2, padding: 'same', ...this.weights() }],
      () => ['conv2dTranspose', { filters: filters(), ...this.window(4) }],
      () => ['depthwiseConv2d', { ...this.window(3), depthMultiplier: this.integer(1, 2) }],
      () => ['separableConv2d', { filters: 8, kernelSize: 3, padding: 'same', activation: this.pick(ACTIVATIONS) }],
      () => ['maxPooling2d', { poolSize: this.pick([2, 3]), padding: this.pick(['valid', 'same']) }],
      () => ['averagePooling2d', { poolSize: this.pick([2, 3]), padding: this.pick(['valid', 'same']) }],
      () => ['globalAveragePooling2d', {}],
      () => ['upSampling2d', { size: 2, interpolation: this.pick(['nearest', 'bilinear']) }],
      () => ['zeroPadding2d', { padding: 1 }],
      () => ['timeDistributed', { layer: 'dense', of: { units: 4, activation: this.pick(ACTIVATIONS) } }],
      () => ['flatten', {}],
    ];
  }

  private onVideos(): readonly (() => Drawn)[] {
    return [
      () => ['timeDistributed', { layer: 'conv2d', of: { filters: 3, kernelSize: 3, activation: this.pick(ACTIVATIONS) } }],
      () => ['timeDistributed', { layer: 'flatten', of: {} }],
      () => ['timeDistributed', { layer: 'globalAveragePooling2d', of: {} }],
      () => ['conv3d', { filters: 3, kernelSize: this.pick([1, 2]), padding: 'same' }],
      () => ['maxPooling3d', { poolSize: 2, padding: 'same' }],
      () => ['convLstm2d', { filters: 3, kernelSize: 3, padding: 'same', returnSequences: this.chance(0.5) }],
    ];
  }

  /** What often stands behind an activation, and is fused with it. */
  private behindActivation(axes: number): readonly (() => Drawn)[] {
    const padding = () => this.pick(['valid', 'same']);
    const pools = (dimensions: string): readonly (() => Drawn)[] => [
      () => [`maxPooling${dimensions}`, { poolSize: this.integer(2, 3), padding: padding() }],
      () => [`averagePooling${dimensions}`, { poolSize: 2, padding: padding() }],
    ];
    const ofFrames: readonly (() => Drawn)[] = [
      () => ['timeDistributed', { layer: 'maxPooling2d', of: { poolSize: 2, padding: 'same' } }],
      () => ['maxPooling3d', { poolSize: 2, padding: 'same' }],
    ];
    const anywhere: readonly (() => Drawn)[] = [() => ['dropout', { rate: 0.3 }], () => ['batchNormalization', {}]];
    return [...anywhere, ...([[], [], pools('1d'), pools('2d'), ofFrames][axes] ?? [])];
  }

  /** A layer of products with an activation. */
  private activated(axes: number): Drawn {
    const options = { padding: 'same', kernelSize: this.pick([1, 3]), filters: this.pick([3, 8, 17]), ...this.weights() };
    if (axes === 4) return ['timeDistributed', { layer: 'conv2d', of: { filters: 3, kernelSize: 3, activation: 'relu' } }];
    if (axes === 1 || this.chance(0.4)) return ['dense', { units: this.pick([2, 8, 17]), ...this.weights() }];
    return [`conv${axes - 1}d`, options];
  }

  /** A layer for values of so many axes, behind the one before it. */
  layer(axes: number, before: string): Draw {
    if (/"activation":"(relu|leakyRelu)"/.test(before) && this.chance(0.6)) {
      return drawOf(this.pick(this.behindActivation(axes))());
    }
    if (this.chance(0.25)) return drawOf(this.activated(axes));
    const own = [[], [], this.onSequences(), this.onImages(), this.onVideos()][axes] ?? [];
    const list = own.length > 0 && this.chance(0.75) ? own : this.anywhere();
    return drawOf(this.pick(list)());
  }
}

function drawOf([name, options]: Drawn): Draw {
  return { text: `${name} ${JSON.stringify(options)}`, apply: (x) => applied(name, options, x) };
}

type Factory = (options: Options) => gs.Layer;
const factories = layers as unknown as Readonly<Record<string, Factory>>;

function applied(name: string, options: Options, x: gs.SymbolicTensor): gs.SymbolicTensor {
  if (name === 'multiHeadAttention') return factories[name]!(options).apply([x, x]);
  if (!('of' in options)) return factories[name]!(options).apply(x);
  const inner = factories[options.layer as string]!(options.of as Options);
  if (name === 'masked') return inner.apply(layers.masking().apply(layers.reLU({ threshold: 0.3 }).apply(x)));
  return factories[name]!({ layer: inner }).apply(x);
}

function normalises(text: string): boolean {
  return /Normalization/.test(text);
}

const sizeOf = (shape: readonly (number | null)[]): number => shape.reduce<number>((n, d) => n * d!, 1);

/** Model and data of a number. */
export function randomModel(seed: number): RandomModel {
  const draws = new LayerDraws(seed);
  const kind = draws.pick(['vector', 'sequence', 'sequence', 'image', 'image', 'video', 'tokens'] as const);
  const shape = {
    vector: () => [draws.pick([2, 7, 32, 70])],
    sequence: () => [draws.integer(1, 9), draws.integer(1, 9)],
    image: () => [draws.integer(3, 12), draws.integer(3, 12), draws.pick([1, 2, 3, 4, 8, 16, 17])],
    video: () => [draws.integer(1, 4), draws.integer(4, 7), draws.integer(4, 7), draws.pick([1, 3])],
    tokens: () => [draws.integer(1, 8)],
  }[kind]();
  const maskZero = draws.chance(0.4);
  const begin = () => {
    const input = gs.input({ shape, ...(kind === 'tokens' && { dtype: 'int32' as const }) });
    return [input, kind === 'tokens' ? layers.embedding({ inputDim: 11, outputDim: 9, maskZero }).apply(input) : input] as const;
  };

  // Drawn on a model that is thrown away.
  let [, value] = begin();
  const steps: { draw: Draw; skips: boolean }[] = [];
  const through = (x: gs.SymbolicTensor, { draw, skips }: (typeof steps)[number]): gs.SymbolicTensor => {
    const y = draw.apply(x);
    return skips ? layers.add().apply([x, y]) : y;
  };
  const depth = draws.integer(1, 5);
  for (let tries = 0; tries < 40 && steps.length < depth; tries++) {
    const draw = draws.layer(value.shape.length, steps.at(-1)?.draw.text ?? '');
    const wantsSkip = draws.chance(0.4);
    if (normalises(draw.text) && value.shape.at(-1)! < FEWEST_NORMALISED) continue;
    try {
      const y = draw.apply(value);
      if (sizeOf(y.shape) > MOST_NUMBERS) continue;
      const step = { draw, skips: wantsSkip && String(y.shape) === String(value.shape) };
      value = through(value, step);
      steps.push(step);
    } catch (error) {
      // It does not fit here.
      if (!(error instanceof GradstepError) || !['ERR_SHAPE', 'ERR_OPTION'].includes(error.code)) throw error;
    }
  }

  const loss = draws.pick(LOSSES);
  const activation = loss === 'meanSquaredError' ? 'linear' : loss === 'binaryCrossentropy' ? 'sigmoid' : 'softmax';
  const rows = draws.pick([4, 5, 7, 16]);
  const batchSize = draws.pick([2, 3, 4, 16]);
  const classes = Int32Array.from({ length: rows }, () => draws.integer(0, OUTPUTS - 1));
  const oneHot = Float32Array.from({ length: rows * OUTPUTS }, (_, i) =>
    classes[Math.floor(i / OUTPUTS)] === i % OUTPUTS ? 1 : 0,
  );
  const numbers = rows * sizeOf(shape);
  const data = kind === 'tokens' ? Int32Array.from({ length: numbers }, () => draws.integer(0, 10)) : draws.numbers(numbers);
  return {
    text: [kind, ...steps.map(({ draw, skips }) => draw.text + (skips ? ' and back' : '')), loss].join(', '),
    make() {
      const [input, first] = begin();
      let y = steps.reduce(through, first);
      if (y.shape.length > 1) y = layers.flatten().apply(y);
      return gs.model({ inputs: input, outputs: layers.dense({ units: OUTPUTS, activation }).apply(y) });
    },
    loss,
    x: gs.tensor(data, [rows, ...shape]),
    y: loss === 'sparseCategoricalCrossentropy' ? gs.tensor(classes, [rows]) : gs.tensor(oneHot, [rows, OUTPUTS]),
    batchSize,
  };
}
