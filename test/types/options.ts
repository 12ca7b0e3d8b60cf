/**
 * The types themselves: each line that must not compile is marked, and the compiler fails where one does. Nothing here
 * runs; `tsc` is the test.
 */
import * as gs from '../../lib/index.js';

export function layers(): void {
  gs.layers.dense({ units: 3, activation: 'relu' });
  gs.layers.dense({ units: 3, activation: gs.activations.tanh });
  gs.layers.dense({ units: 3, activation: (x) => gs.ops.square(x) });
  gs.layers.dense({ units: 3, activation: gs.activations.swish });
  gs.layers.activation({ activation: 'hardSigmoid' });
  gs.layers.activation({ activation: (x) => gs.activations.leakyRelu(x, { negativeSlope: 0.1 }) });
  gs.layers.activation({ activation: (x) => gs.activations.gelu(x, { approximate: true }) });
  // @ts-expect-error TensorFlow.js's name for the slope of leakyRelu
  gs.layers.activation({ activation: (x) => gs.activations.leakyRelu(x, { alpha: 0.1 }) });
  gs.layers.dense({ units: 3, kernelInitializer: gs.initializers.heNormal(), biasInitializer: 'ones' });
  gs.layers.dense({ units: 3, kernelInitializer: gs.initializers.orthogonal({ gain: 2 }), biasInitializer: 'constant' });
  gs.initializers.varianceScaling({ scale: 2, mode: 'fanAvg', distribution: 'untruncatedNormal' });
  // @ts-expect-error a mode that is not there
  gs.initializers.varianceScaling({ mode: 'fanSum' });
  // @ts-expect-error a bare number
  gs.initializers.constant(1);
  gs.layers.conv2d({ filters: 8, kernelSize: [3, 5], strides: 2, padding: 'same' });
  gs.layers.dense({ units: 3, kernelRegularizer: 'l2', biasRegularizer: (w) => gs.ops.sum(gs.ops.abs(w)) });
  gs.layers.conv2d({ filters: 8, kernelSize: 3, kernelConstraint: gs.constraints.maxNorm({ axis: [0, 1, 2] }) });
  // @ts-expect-error a misspelled regularizer
  gs.layers.dense({ units: 3, kernelRegularizer: 'L2' });
  // @ts-expect-error a constraint is no regularizer
  gs.layers.dense({ units: 3, kernelRegularizer: gs.constraints.nonNeg() });
  // @ts-expect-error a misspelled constraint
  gs.layers.dense({ units: 3, biasConstraint: 'nonNegative' });
  gs.layers.flatten();
  gs.layers.embedding({ inputDim: 10, outputDim: 4, maskZero: true, embeddingsInitializer: 'randomUniform' });
  gs.layers.multiHeadAttention({ numHeads: 2, keyDim: 8, outputShape: [4, 4], useCausalMask: true, kernelRegularizer: 'l2' });
  gs.layers.prelu({ sharedAxes: [1, 2] });
  // @ts-expect-error Keras gives it when the layer is called
  gs.layers.multiHeadAttention({ numHeads: 2, keyDim: 8, attentionMask: true });
  // @ts-expect-error how many words there are is missing
  gs.layers.embedding({ outputDim: 4 });
  // @ts-expect-error a misspelled option
  gs.layers.dense({ unit: 3 });
  // @ts-expect-error a missing option
  gs.layers.dense({});
  // @ts-expect-error no options at all
  gs.layers.dense();
  // @ts-expect-error a misspelled activation
  gs.layers.dense({ units: 3, activation: 'rleu' });
  // @ts-expect-error a misspelled initializer
  gs.layers.dense({ units: 3, kernelInitializer: 'heNorm' });
  gs.layers.lstm({ units: 3, activation: 'softsign', recurrentActivation: gs.activations.hardSigmoid });
  // @ts-expect-error an activation whose slope does not follow from its value
  gs.layers.lstm({ units: 3, activation: 'gelu' });
  // @ts-expect-error an activation whose slope does not follow from its value
  gs.layers.gruCell({ units: 3, recurrentActivation: 'swish' });
  // @ts-expect-error a padding that is none
  gs.layers.conv2d({ filters: 8, kernelSize: 3, padding: 'full' });
  // @ts-expect-error a kernel of three axes
  gs.layers.conv2d({ filters: 8, kernelSize: [3, 3, 3] });
  // @ts-expect-error a word for a number
  gs.layers.dropout({ rate: '0.5' });
  // @ts-expect-error a layer that is not there
  gs.layers.dense2({ units: 3 });
}

export function compiling(model: gs.Sequential): void {
  model.compile({ optimizer: 'adam', loss: 'meanSquaredError' });
  model.compile({
    optimizer: gs.optimizers.sgd({ learningRate: 0.1, momentum: 0.9, nesterov: true }),
    loss: gs.losses.sparseCategoricalCrossentropy({ fromLogits: true }),
    metrics: ['accuracy', gs.metrics.accuracy()],
    device: 'cpu',
    precision: 'float32',
    seed: 42,
    deterministic: true,
    threads: 2,
    onNaN: 'continue',
  });
  model.compile({ optimizer: 'sgd', loss: (yTrue, yPred) => gs.ops.abs(gs.ops.sub(yTrue, yPred)) });
  model.compile({ optimizer: 'sgd', loss: 'meanAbsoluteError' });
  model.compile({ optimizer: 'sgd', loss: gs.losses.huber({ delta: 2 }) });
  model.compile({
    optimizer: 'sgd',
    loss: gs.losses.binaryFocalCrossentropy({ gamma: 1, alpha: 0.4, applyClassBalancing: true }),
  });
  model.compile({ optimizer: 'sgd', loss: gs.losses.categoricalCrossentropy({ labelSmoothing: 0.1 }) });
  // @ts-expect-error smoothing is for labels that are distributions
  gs.losses.sparseCategoricalCrossentropy({ labelSmoothing: 0.1 });
  // @ts-expect-error an option where there are none
  gs.losses.hinge({ delta: 1 });
  // @ts-expect-error a misspelled optimizer
  model.compile({ optimizer: 'adm', loss: 'meanSquaredError' });
  // @ts-expect-error a misspelled loss
  model.compile({ optimizer: 'adam', loss: 'meanSquareError' });
  // @ts-expect-error a misspelled metric
  model.compile({ optimizer: 'adam', loss: 'meanSquaredError', metrics: ['acuracy'] });
  // @ts-expect-error the loss is missing
  model.compile({ optimizer: 'adam' });
  // @ts-expect-error a precision that is not there
  model.compile({ optimizer: 'adam', loss: 'meanSquaredError', precision: 'float16' });
  // @ts-expect-error a misspelled option
  model.compile({ optimizer: 'adam', loss: 'meanSquaredError', metric: ['accuracy'] });
  // @ts-expect-error Keras's old name
  gs.optimizers.adam({ lr: 0.1 });
  model.compile({ optimizer: 'adamW', loss: 'meanSquaredError' });
  gs.optimizers.adam({ amsgrad: true });
  gs.optimizers.rmsprop({ rho: 0.9, momentum: 0.5, centered: true, epsilon: 1e-7 });
  gs.optimizers.adagrad({ initialAccumulatorValue: 0.5 });
  gs.optimizers.adamW({ weightDecay: 0.01, amsgrad: true });
  gs.optimizers.adam({ weightDecay: 0.01 });
  const cosine = gs.schedules.cosineDecay({ initialLearningRate: 0.1, decaySteps: 100 });
  gs.optimizers.sgd({ learningRate: gs.schedules.warmup({ steps: 10, after: cosine }), globalClipNorm: 1, useEma: true });
  // @ts-expect-error a schedule needs to know how long
  gs.schedules.cosineDecay({ initialLearningRate: 0.1 });
  // @ts-expect-error a number is no schedule
  gs.schedules.warmup({ steps: 10, after: 0.1 });
  // @ts-expect-error Keras's spelling
  gs.optimizers.sgd({ clipnorm: 1 });
  // @ts-expect-error a number for a boolean
  gs.optimizers.rmsprop({ centered: 1 });
  // @ts-expect-error lion divides by nothing
  gs.optimizers.lion({ epsilon: 1e-7 });
  // @ts-expect-error a loss that returns a number
  model.compile({ optimizer: 'sgd', loss: () => 1 });
}

export async function running(model: gs.Sequential): Promise<void> {
  const x = gs.tensor(new Float32Array(12), [3, 4]);
  const history = await model.fit(x, [0, 1, 2], { epochs: 3, batchSize: 2, validationData: [x, [0, 1, 2]] });
  const losses: number[] = history.loss;
  const perhaps: number[] | undefined = history.val_loss;
  const { loss, accuracy } = await model.evaluate([[1, 2]], Uint8Array.of(1));
  const sum: number = loss + (accuracy ?? 0);
  const { data, shape } = await model.predict(x);
  const floats: Float32Array = data;
  void [losses, perhaps, sum, floats, shape];
  // @ts-expect-error a misspelled option
  await model.fit(x, [0, 1, 2], { epoch: 3 });
  await model.predict(new Float64Array(4));
  // @ts-expect-error big integers are not data
  await model.predict(new BigInt64Array(4));
  // @ts-expect-error words are not data
  await model.predict([['a']]);
  // @ts-expect-error labels are missing
  await model.evaluate(x);
  // @ts-expect-error layers are a list
  gs.sequential(gs.layers.flatten());
  // @ts-expect-error values come from gs.ops or from a loss's arguments
  gs.ops.exp('x');
  // @ts-expect-error an error code that is not there
  const code: gs.ErrorCode = 'ERR_WHATEVER';
  void code;
}

export async function profiles(model: gs.Model, x: gs.Tensor): Promise<void> {
  const { instructions, limits }: gs.Profile = await model.profile(x, x, { steps: 10, print: false, trace: 'step.json' });
  const slow: readonly gs.ProfiledInstruction[] = instructions.filter((i) => i.gflops < limits.gflops && i.roofline < 1);
  const events: readonly gs.TraceEvent[] = (await model.profile(x)).chromeTrace().traceEvents;
  // @ts-expect-error what is measured does not change
  instructions[0]!.milliseconds = slow.length + events.length;
  // @ts-expect-error a misspelled option
  await model.profile(x, x, { step: 10 });
  await model.profile(x, null, { steps: 10 });
}

export async function functions(): Promise<void> {
  const sum = gs.compile(({ a, b }) => ({ y: gs.ops.add(a, b) }), { inputs: { a: { shape: [1] }, b: { shape: [1] } } });
  const { y } = await sum({ a: [1], b: [2] }, { steps: 2 });
  // @ts-expect-error data for the inputs are missing
  await sum();
  // @ts-expect-error data for one of them are missing
  await sum({ a: [1] });
  // @ts-expect-error an input that is not there
  await sum({ a: [1], b: [2], c: [3] });
  const kept = gs.variable({ value: [1] });
  const read = gs.compile(() => kept.read());
  const { data } = await read();
  await read({}, { steps: 2 });
  const none = gs.compile(() => kept.read(), { inputs: {} });
  await none(undefined, { steps: 2 });
  // @ts-expect-error there are no inputs
  await none({ a: [1] });
  void [y.data, data];
}

export function tensors(dtype: gs.DataType, perhaps: 'int32' | undefined): void {
  const whole: Int32Array = gs.tensor([1], [1], 'int32').data;
  const bytes: Uint8Array = gs.tensor([[1]], undefined, 'uint8').data;
  const floats: Float32Array[] = [gs.tensor([1]).data, gs.tensor(1, [1]).data, gs.tensor([1], [1], 'float32').data];
  const any: gs.Tensor = gs.tensor([1], [1], dtype);
  // @ts-expect-error float32 where there is no dtype
  const other: Int32Array = gs.tensor([1], [1], perhaps).data;
  void [whole, bytes, floats, any, other];
}
