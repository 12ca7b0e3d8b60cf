/** Every option that is wrong or unknown: ERR_OPTION, with a message that names the place and, where it can, what was meant. */
import { expect } from 'chai';
import * as gs from '../lib/index.js';
import { expectFailure, wrong } from './helpers/failure.js';

const { layers, optimizers, losses, initializers } = gs;

const bare = (): gs.Sequential => gs.sequential([layers.dense({ units: 1 })]);

/** Compiles with options of which some are wrong. */
const compile = (options: object) => (): void =>
  bare().compile(wrong({ optimizer: 'sgd', loss: 'meanSquaredError', ...options }));

const x = [
  [1, 2, 3],
  [4, 5, 6],
];
const y = [0, 1];

/** Uses a compiled model and disposes it. */
const use =
  (body: (model: gs.Sequential) => unknown, options: object = {}) =>
  async (): Promise<void> => {
    using model = gs.sequential([layers.dense({ units: 1, inputShape: [3] })]);
    model.compile({ optimizer: 'sgd', loss: 'meanSquaredError', device: 'cpu', ...options });
    await body(model);
  };

const CASES: [name: string, message: string | RegExp, run: () => unknown][] = [
  [
    'a misspelled option',
    'Unknown option "unit" for layers.dense: did you mean "units"?',
    () => layers.dense(wrong({ unit: 3 })),
  ],
  [
    'an option from nowhere',
    /^Unknown option "colour" for layers.flatten: expected one of name, inputShape, trainable, learningRateMultiplier, activityRegularizer$/,
    () => layers.flatten(wrong({ colour: 1 })),
  ],
  ['a missing option', 'Expected integer > 0 for layers.dense.units but received undefined', () => layers.dense(wrong({}))],
  [
    'a negative size',
    'Expected integer > 0 for layers.dense.units but received -1 of type number',
    () => layers.dense({ units: -1 }),
  ],
  [
    'a size that is a word',
    'Expected integer > 0 for layers.dense.units but received "3" of type string',
    () => layers.dense(wrong({ units: '3' })),
  ],
  [
    'options that are no object',
    'Expected an object of options for layers.dense but received 3 of type number',
    () => layers.dense(wrong(3)),
  ],
  [
    'a misspelled activation',
    'Unknown activation "rleu" for layers.dense.activation: did you mean "relu"?',
    () => layers.dense(wrong({ units: 1, activation: 'rleu' })),
  ],
  [
    'an activation of another type',
    /^Expected name of an activation or a function for layers.dense.activation but received 1/,
    () => layers.dense(wrong({ units: 1, activation: 1 })),
  ],
  [
    'a misspelled initializer',
    /^Unknown initializer "heNormall" .* did you mean "heNormal"\?$/,
    () => layers.dense(wrong({ units: 1, kernelInitializer: 'heNormall' })),
  ],
  [
    'an initializer of another type',
    /^Expected name of an initializer or an initializer for/,
    () => layers.dense(wrong({ units: 1, kernelInitializer: 0 })),
  ],
  [
    'a boolean that is none',
    /^Expected boolean for layers.dense.useBias but received "yes"/,
    () => layers.dense(wrong({ units: 1, useBias: 'yes' })),
  ],
  [
    'a bad layer name',
    /^Expected name of letters, .* for layers.dense.name but received "a\/b"/,
    () => layers.dense({ units: 1, name: 'a/b' }),
  ],
  [
    'a reserved layer name',
    /^Expected name of letters, .* other than "optimizer"/,
    () => layers.dense({ units: 1, name: 'optimizer' }),
  ],
  [
    'a bad input shape',
    'Expected array of integers > 0 or null for layers.dense.inputShape but received [3, 0] of type array',
    () => layers.dense({ units: 1, inputShape: [3, 0] }),
  ],
  [
    'a kernel of three axes',
    /^Expected integer > 0 or a pair of them for layers.conv2d.kernelSize but received \[3, 3, 3\]/,
    () => layers.conv2d(wrong({ filters: 1, kernelSize: [3, 3, 3] })),
  ],
  [
    'a padding that is none',
    /^Unknown value "sane" for layers.conv2d.padding: did you mean "same"\?/,
    () => layers.conv2d(wrong({ filters: 1, kernelSize: 3, padding: 'sane' })),
  ],
  [
    'a padding of another type',
    /^Expected one of "valid", "same" for layers.conv2d.padding but received 1/,
    () => layers.conv2d(wrong({ filters: 1, kernelSize: 3, padding: 1 })),
  ],
  [
    'a dropout of everything',
    'Expected number in [0, 1) for layers.dropout.rate but received 1 of type number',
    () => layers.dropout({ rate: 1 }),
  ],
  [
    'a scale that is no number',
    /^Expected finite number for layers.rescaling.scale but received NaN/,
    () => layers.rescaling({ scale: NaN }),
  ],
  [
    'an option for an initializer without any',
    /^Unknown option "seed" for initializers.zeros/,
    () => initializers.zeros(wrong({ seed: 1 })),
  ],
  [
    'an unknown optimizer option',
    /^Unknown option "lr" for optimizers.adam: expected one of learningRate, beta1, beta2, epsilon, amsgrad, weightDecay/,
    () => optimizers.adam(wrong({ lr: 1 })),
  ],
  [
    'a negative learning rate',
    /^Expected number >= 0 or a schedule for optimizers.sgd.learningRate but received -1/,
    () => optimizers.sgd({ learningRate: -1 }),
  ],
  ['a decay of 1', /^Expected number in \[0, 1\) for optimizers.adam.beta2 but received 1/, () => optimizers.adam({ beta2: 1 })],
  [
    'a misspelled option of rmsprop',
    'Unknown option "center" for optimizers.rmsprop: did you mean "centered"?',
    () => optimizers.rmsprop(wrong({ center: true })),
  ],
  [
    'a decay of rmsprop that is negative',
    /^Expected number in \[0, 1\) for optimizers.rmsprop.rho but received -0.5/,
    () => optimizers.rmsprop({ rho: -0.5 }),
  ],
  [
    'a momentum above 1',
    /^Expected number in \[0, 1\] for optimizers.rmsprop.momentum but received 1.5/,
    () => optimizers.rmsprop({ momentum: 1.5 }),
  ],
  [
    'centered that is no boolean',
    /^Expected boolean for optimizers.rmsprop.centered but received 1/,
    () => optimizers.rmsprop(wrong({ centered: 1 })),
  ],
  [
    'an initial value below zero',
    /^Expected number >= 0 for optimizers.adagrad.initialAccumulatorValue but received -0.1/,
    () => optimizers.adagrad({ initialAccumulatorValue: -0.1 }),
  ],
  [
    'an epsilon that counts as 0',
    /^Expected number of at least 1.2e-38 \(less counts as 0\) for layers.layerNormalization.epsilon but received 1e-40/,
    () => gs.layers.layerNormalization({ epsilon: 1e-40 }),
  ],
  [
    'an epsilon of 0',
    /^Expected number > 0 for optimizers.adadelta.epsilon but received 0/,
    () => optimizers.adadelta({ epsilon: 0 }),
  ],
  [
    'amsgrad that is no boolean',
    /^Expected boolean for optimizers.adam.amsgrad but received "yes"/,
    () => optimizers.adam(wrong({ amsgrad: 'yes' })),
  ],
  [
    'a weight decay below zero',
    /^Expected number >= 0 for optimizers.adamW.weightDecay but received -1/,
    () => optimizers.adamW({ weightDecay: -1 }),
  ],
  [
    'a decay below 0',
    'Expected number >= 0 for optimizers.adam.weightDecay but received -0.1 of type number',
    () => optimizers.adam({ weightDecay: -0.1 }),
  ],
  [
    'a schedule that is none',
    /^Expected number >= 0 or a schedule for optimizers.adam.learningRate but received "cosineDecay"/,
    () => optimizers.adam(wrong({ learningRate: 'cosineDecay' })),
  ],
  ['a cut at 0', /^Expected number > 0 for optimizers.sgd.clipValue but received 0/, () => optimizers.sgd({ clipValue: 0 })],
  ['a norm of 0', /^Expected number > 0 for optimizers.lion.clipNorm but received 0/, () => optimizers.lion({ clipNorm: 0 })],
  [
    'a norm of NaN',
    /^Expected number > 0 for optimizers.rmsprop.globalClipNorm but received NaN/,
    () => optimizers.rmsprop({ globalClipNorm: NaN }),
  ],
  [
    'two ways to cut',
    'Expected at most one of clipValue, clipNorm and globalClipNorm for optimizers.adamW but received clipValue and globalClipNorm',
    () => optimizers.adamW({ clipValue: 1, globalClipNorm: 1 }),
  ],
  [
    'an average by word',
    /^Expected boolean for optimizers.adagrad.useEma but received "yes"/,
    () => optimizers.adagrad(wrong({ useEma: 'yes' })),
  ],
  [
    'an average that grows',
    /^Expected number in \[0, 1\] for optimizers.adadelta.emaMomentum but received 1.5/,
    () => optimizers.adadelta({ emaMomentum: 1.5 }),
  ],
  [
    'half a step to an update',
    /^Expected integer from 1 to 2147483647 for optimizers.nadam.gradientAccumulationSteps but received 0.5/,
    () => optimizers.nadam({ gradientAccumulationSteps: 0.5 }),
  ],
  ['a norm that never decays', /^Expected number in \[0, 1\) for optimizers.adamax.beta2/, () => optimizers.adamax({ beta2: 1 })],
  [
    'a rate of nadam that is NaN',
    /^Expected number >= 0 or a schedule for optimizers.nadam.learningRate/,
    () => optimizers.nadam({ learningRate: NaN }),
  ],
  [
    'an epsilon for lion',
    /^Unknown option "epsilon" for optimizers.lion: expected one of learningRate, beta1, beta2/,
    () => optimizers.lion(wrong({ epsilon: 1e-7 })),
  ],
  [
    'fromLogits that is no boolean',
    /^Expected boolean for losses.binaryCrossentropy.fromLogits/,
    () => losses.binaryCrossentropy(wrong({ fromLogits: 1 })),
  ],
  [
    'no layers',
    'Expected array of at least one layer for sequential.layers but received [] of type array',
    () => gs.sequential([]),
  ],
  [
    'something that is no layer',
    'Expected layer for sequential.layers[0] but received "dense" of type string',
    () => gs.sequential(wrong(['dense'])),
  ],
  [
    'two layers of one name',
    /"a" occurs twice/,
    () => gs.sequential([layers.flatten({ name: 'a' }), layers.dense({ units: 1, name: 'a' })]),
  ],
  [
    'a layer twice in a row of layers',
    /^Expected a layer of its own for sequential.layers\[1\] but it occurs twice/,
    () => {
      const l = layers.dense({ units: 1 });
      gs.sequential([l, l]);
    },
  ],
  [
    'a layer twice in a model',
    /^Expected a layer of its own for sequential.layers\[1\]/,
    () => {
      const l = layers.dense({ units: 1 });
      gs.sequential([l, l]);
    },
  ],
  [
    'a misspelled optimizer',
    'Unknown optimizer "adm" for compile.optimizer: did you mean "adam"?',
    compile({ optimizer: 'adm' }),
  ],
  [
    'an optimizer of another type',
    /^Expected name of an optimizer or an optimizer for compile.optimizer but received undefined/,
    compile({ optimizer: undefined }),
  ],
  [
    'a misspelled loss',
    /^Unknown loss "meanSquareError" for compile.loss: did you mean "meanSquaredError"\?$/,
    compile({ loss: 'meanSquareError' }),
  ],
  [
    'a loss of another type',
    /^Expected name of a loss, a loss or a function for compile.loss but received 1/,
    compile({ loss: 1 }),
  ],
  [
    'a misspelled metric',
    'Unknown metric "acuracy" for compile.metrics[0]: did you mean "accuracy"?',
    compile({ metrics: ['acuracy'] }),
  ],
  [
    'metrics that are none',
    /^Expected name of a metric, a metric or a function for compile.metrics but/,
    compile({ metrics: 1 }),
  ],
  ['one metric twice', /"accuracy" is taken/, compile({ metrics: ['accuracy', 'accuracy'] })],
  ['a metric without a name', /^Expected function with a name/, compile({ metrics: [(_t: gs.Value, p: gs.Value) => p] })],
  [
    'a device that is no name',
    /^Expected "auto", "cpu", "cuda" or "cuda:<number>" for compile.device but received "gpu"/,
    compile({ device: 'gpu' }),
  ],
  ['a precision that is not there', /^Unknown value "float16" for compile.precision/, compile({ precision: 'float16' })],
  [
    'a word for deterministic',
    /^Expected boolean for compile.deterministic but received "yes"/,
    compile({ deterministic: 'yes' }),
  ],
  ['a negative seed', /^Expected integer >= 0 for compile.seed but received -1/, compile({ seed: -1 })],
  [
    'a misspelled fit option',
    /^Unknown option "epoch" for fit: did you mean "epochs"\?$/,
    use((m) => m.fit(x, y, wrong({ epoch: 3 }))),
  ],
  ['no epochs', /^Expected integer > 0 for fit.epochs but received 0/, use((m) => m.fit(x, y, { epochs: 0 }))],
  [
    'a fraction of a batch',
    /^Expected integer > 0 for predict.batchSize but received 1.5/,
    use((m) => m.predict(x, { batchSize: 1.5 })),
  ],
  [
    'a signal that is none',
    /^Expected AbortSignal for evaluate.signal but received/,
    use((m) => m.evaluate(x, y, wrong({ signal: {} }))),
  ],
  [
    'validation data that are no pair',
    /^Expected pair \[x, y\] for fit.validationData/,
    use((m) => m.fit(x, y, wrong({ validationData: [x] }))),
  ],
  [
    'a callback that is no function',
    /^Expected function for fit.onProgress but received 1/,
    use((m) => m.fit(x, y, wrong({ onProgress: 1 }))),
  ],
  [
    'a split that leaves nothing',
    /^Expected validationSplit to leave rows on both sides/,
    use((m) => m.fit(x.slice(1, 2), [1], { validationSplit: 0.5 })),
  ],
  ['weights that are no array', /^Expected array of tensors for weights/, use((m) => m.setWeights(wrong(3)))],
  ['a path that is none', /^Expected path of a file for save.path but received ""/, use((m) => m.save(''))],
  [
    'a path to load that is none',
    /^Expected path of a file for loadModel.path but received undefined/,
    () => gs.loadModel(wrong(undefined)),
  ],
  ['numbers only in gs.ops', /^Expected at least one value among the operands of ops.add/, () => gs.ops.add(1, 2)],
  ['a word in gs.ops', /^Expected value or number for ops.exp operand 1 but received "x"/, () => gs.ops.exp(wrong('x'))],
  [
    'a loss function that returns a number',
    /^Expected the loss function to return a value/,
    use((m) => m.fit(x, y), { loss: () => 1 }),
  ],
];

describe('wrong options', () => {
  for (const [name, message, run] of CASES) {
    it(name, () => expectFailure(run, 'ERR_OPTION', message));
  }

  it('are rejected before anything of the model changes', async () => {
    using model = gs.sequential([layers.dense({ units: 1, inputShape: [3] })]);
    const before = await model.getWeights();
    expect(() => model.compile(wrong({ optimizer: 'adm', loss: 'meanSquaredError' }))).to.throw(gs.GradstepError);
    await expectFailure(() => model.fit(x, y), 'ERR_NOT_COMPILED', /call compile first/);
    expect(await model.getWeights()).to.deep.equal(before);
  });
});
