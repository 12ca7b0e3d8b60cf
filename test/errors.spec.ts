/** Every error path of the public API by its code and message. */
import { expect } from 'chai';
import * as gs from '../lib/index.js';
import { expectFailure, wrong } from './helpers/failure.js';
import { classifier, device, regression, x, y } from './helpers/small_models.js';

const bare = (): gs.Sequential => gs.sequential([gs.layers.dense({ units: 1 })]);
interface Case {
  name: string;
  code: gs.ErrorCode;
  message: RegExp | string;
  run: () => unknown;
}

/** Uses a fresh model and disposes it. */
const using_ = (make: () => gs.Sequential, body: (model: gs.Sequential) => unknown) => async (): Promise<void> => {
  using model = make();
  await body(model);
};

const { layers, optimizers } = gs;

const CASES: Case[] = [
  {
    name: 'a shape of other size',
    code: 'ERR_SHAPE',
    message: 'Expected 6 elements for a tensor of shape [2, 3] but received 5',
    run: () => gs.tensor(new Float32Array(5), [2, 3]),
  },
  {
    name: 'a tensor made without its function',
    code: 'ERR_SHAPE',
    message: 'Expected 4 elements for a tensor of shape [2, 2] but received 5',
    run: () => new gs.Tensor(new Float32Array(5), [2, 2]),
  },
  {
    name: 'a tensor of a plain array',
    code: 'ERR_DTYPE',
    message: 'Expected Float32Array, Int32Array or Uint8Array for tensor.data but received [1, 2] of type array',
    run: () => new gs.Tensor(wrong([1, 2]), [2]),
  },
  {
    name: 'no rows',
    code: 'ERR_SHAPE',
    message: 'Expected x of shape [?, 3] for dense but received [0, 3]',
    run: using_(classifier, (m) => m.predict(new gs.Tensor(new Float32Array(0), [0, 3]))),
  },
  {
    name: 'ragged arrays',
    code: 'ERR_SHAPE',
    message: /^Expected 2 elements at data\[1\] but received 1: nested arrays must not be ragged/,
    run: () => gs.tensor([[1, 2], [3]]),
  },
  {
    name: 'arrays deeper in one place',
    code: 'ERR_SHAPE',
    message: /^Expected a number at data\[1\] but received an array/,
    run: () => gs.tensor(wrong([1, [2]])),
  },
  { name: 'an empty array', code: 'ERR_SHAPE', message: /received an empty one/, run: () => gs.tensor([]) },
  {
    name: 'words as data',
    code: 'ERR_DTYPE',
    message: /^Expected number for data\[0\] but received "a"/,
    run: () => gs.tensor(wrong(['a'])),
  },
  {
    name: 'big integers as data',
    code: 'ERR_DTYPE',
    message:
      /^Expected Float32Array, Int32Array, Uint8Array or nested arrays of numbers for tensor.data but received BigInt64Array/,
    run: () => gs.tensor(wrong(new BigInt64Array(3))),
  },
  {
    name: 'x of another shape',
    code: 'ERR_SHAPE',
    message: 'Expected x of shape [?, 3] for dense but received [2, 2]',
    run: using_(classifier, (m) =>
      m.predict([
        [1, 2],
        [3, 4],
      ]),
    ),
  },
  {
    name: 'x of a length that does not divide',
    code: 'ERR_SHAPE',
    message: 'Expected x of shape [?, 3] for dense but received 7 elements, which is not a multiple of 3',
    run: using_(classifier, (m) => m.predict(new Float32Array(7))),
  },
  {
    name: 'y of another shape',
    code: 'ERR_SHAPE',
    message: 'Expected y of shape [?] for head but received [4, 2]: one-hot rows are what categoricalCrossentropy takes',
    run: using_(classifier, (m) =>
      m.fit(x, [
        [0, 1],
        [0, 1],
        [0, 1],
        [0, 1],
      ]),
    ),
  },
  {
    name: 'one-hot rows as a typed array for class numbers',
    code: 'ERR_SHAPE',
    message:
      'Expected y of shape [?] for head but received 8 elements for 4 rows: one-hot rows are what categoricalCrossentropy takes',
    run: using_(classifier, (m) => m.fit(x, new Float32Array(8))),
  },
  {
    name: 'class numbers for one-hot rows',
    code: 'ERR_SHAPE',
    message: 'Expected y of shape [?, 2] for head but received [4]: class numbers are what sparseCategoricalCrossentropy takes',
    run: using_(classifier, (m) => {
      m.compile({ optimizer: 'sgd', loss: 'categoricalCrossentropy', device });
      return m.fit(x, y);
    }),
  },
  {
    name: 'class numbers as a typed array for one-hot rows',
    code: 'ERR_SHAPE',
    message:
      'Expected y of shape [?, 2] for head but received 4 elements for 4 rows: class numbers are what sparseCategoricalCrossentropy takes',
    run: using_(classifier, (m) => {
      m.compile({ optimizer: 'sgd', loss: 'categoricalCrossentropy', device });
      return m.fit(x, Int32Array.from(y));
    }),
  },
  {
    name: 'a batch of 2^31 numbers on the way',
    code: 'ERR_SHAPE',
    message: 'Expected fewer than 2^31 elements for matmul in wide but received [131072, 16384]: give a smaller batch',
    run: using_(
      () => {
        const wide = layers.dense({ units: 16384, inputShape: [1], name: 'wide' });
        const model = gs.sequential([wide, layers.dense({ units: 1 })]);
        model.compile({ optimizer: 'sgd', loss: 'meanSquaredError', device });
        return model;
      },
      (m) => m.predictOnBatch(gs.tensor(new Float32Array(131072), [131072, 1])),
    ),
  },
  {
    name: 'a value of 2^31 numbers in a function',
    code: 'ERR_SHAPE',
    message: /^Expected fewer than 2\^31 elements for map in .* but received \[50000, 50000\]: give a smaller batch$/,
    run: () =>
      gs.compile(({ a }) => ({ r: gs.ops.sum(gs.ops.mul(a, gs.ops.reshape(a, [1, 50000]))) }), {
        inputs: { a: { shape: [50000, 1] } },
        device,
      })({ a: new Float32Array(50000) }),
  },
  {
    name: 'a dataset of batches that are put into batches',
    code: 'ERR_SHAPE',
    message:
      'Expected x of shape [?, 3] for dense but received [2, 4, 3]: where elements of a dataset are batches already, .asBatches() says so, or .unbatch() makes them rows',
    run: using_(classifier, (m) =>
      m.fit(
        gs.data.dataset(function* () {
          yield { x: gs.tensor(x), y: gs.tensor(y) };
          yield { x: gs.tensor(x), y: gs.tensor(y) };
        }),
      ),
    ),
  },
  {
    name: 'fewer labels than rows',
    code: 'ERR_SHAPE',
    message: 'Expected as many rows in y as in x but received 3 and 4',
    run: using_(classifier, (m) => m.fit(x, [0, 1, 1])),
  },
  {
    name: 'labels of one output for two',
    code: 'ERR_SHAPE',
    message: 'Expected y of shape [?, 2] for head but received 4 elements for 4 rows',
    run: using_(classifier, (m) => {
      m.compile({ optimizer: 'sgd', loss: 'meanSquaredError', device });
      return m.fit(x, Float32Array.of(0, 1, 1, 0));
    }),
  },
  {
    name: 'validation data of another shape',
    code: 'ERR_SHAPE',
    message: 'Expected x of shape [?, 3] for dense but received [1, 1]',
    run: using_(classifier, (m) => m.fit(x, y, { validationData: [[[1]], [0]] })),
  },
  {
    name: 'labels that are not whole',
    code: 'ERR_DTYPE',
    message: 'Expected integer labels but received 0.5 at element 1 of y',
    run: using_(classifier, (m) => m.fit(x, [0, 0.5, 1, 0])),
  },
  {
    name: 'labels that are NaN',
    code: 'ERR_DTYPE',
    message: 'Expected integer labels but received NaN at element 2 of y',
    run: using_(classifier, (m) => m.fit(x, [0, 1, NaN, 0])),
  },
  {
    name: 'a layer that cannot take its input',
    code: 'ERR_SHAPE',
    message: 'Expected samples of shape [height, width, channels] but received [9] (in conv2d)',
    run: () => gs.sequential([layers.conv2d({ filters: 1, kernelSize: 3, inputShape: [9] })]),
  },
  {
    name: 'a window larger than the image',
    code: 'ERR_SHAPE',
    message: 'A window of [5, 5] with padding "valid" does not fit into samples of shape [4, 4, 1] (in average_pooling2d)',
    run: () => gs.sequential([layers.averagePooling2d({ poolSize: 5, inputShape: [4, 4, 1] })]),
  },
  {
    name: 'no input shape',
    code: 'ERR_SHAPE',
    message: /^The shape of the inputs is not known yet: give the first layer inputShape, or call build/,
    run: using_(bare, (m) => m.predict(new Float32Array(3))),
  },
  {
    name: 'building for another shape',
    code: 'ERR_SHAPE',
    message: 'The model takes inputs of shape [3] and cannot be built for [4]',
    run: using_(classifier, (m) => m.build([4])),
  },
  {
    name: 'too few weights',
    code: 'ERR_SHAPE',
    message: 'Expected 4 weights but received 1',
    run: using_(classifier, (m) => m.setWeights([[1]])),
  },
  {
    name: 'weights of another shape',
    code: 'ERR_SHAPE',
    message: 'Expected shape [3, 1] for dense/kernel but received [1, 3]',
    run: using_(regression, (m) => m.setWeights([[[1, 2, 3]], [0]])),
  },
  {
    name: 'integer weights',
    code: 'ERR_DTYPE',
    message: 'Expected float32 for dense/kernel but received int32',
    run: using_(regression, (m) => m.setWeights([new Int32Array(3), [0]])),
  },
  {
    name: 'shapes that do not broadcast in a loss',
    code: 'ERR_SHAPE',
    message: /^Shapes .* do not broadcast together \(in loss\)/,
    run: using_(
      () => regression({ loss: (t, p) => gs.ops.sub(t, gs.ops.reshape(p, [2, 2])) }),
      (m) =>
        m.fit(x, [
          [1, 2, 3],
          [1, 2, 3],
          [1, 2, 3],
          [1, 2, 3],
        ]),
    ),
  },
  {
    name: 'a loss of the wrong number of rows',
    code: 'ERR_SHAPE',
    message: /^Expected a loss of shape \[4, \.\.\.\] or \[\] but received \[2, 2\]/,
    run: using_(
      () => regression({ loss: (_t, p) => gs.ops.reshape(p, [2, 2]) }),
      (m) => m.fit(x, [1, 2, 3, 4]),
    ),
  },
  {
    name: 'an integer loss',
    code: 'ERR_DTYPE',
    message: /^Expected a float32 loss but received int32/,
    run: using_(
      () => regression({ loss: (_t, p) => gs.ops.argmax(p) }),
      (m) => m.fit(x, [1, 2, 3, 4]),
    ),
  },
  {
    name: 'training before compile',
    code: 'ERR_NOT_COMPILED',
    message: 'The model has not been compiled: call compile first',
    run: using_(
      () => gs.sequential([layers.dense({ units: 1, inputShape: [3] })]),
      (m) => m.fit(x, y),
    ),
  },
  {
    name: 'evaluating before compile',
    code: 'ERR_NOT_COMPILED',
    message: /call compile first/,
    run: using_(
      () => gs.sequential([layers.dense({ units: 1, inputShape: [3] })]),
      (m) => m.evaluate(x, y),
    ),
  },
  {
    name: 'a device that is not there',
    code: 'ERR_DEVICE_UNAVAILABLE',
    message: /^The device 'cuda:99' cannot be used: /,
    run: using_(
      () => regression({ device: 'cuda:99' }),
      (m) => m.fit(x, [1, 2, 3, 4]),
    ),
  },
  {
    name: 'a number as labels',
    code: 'ERR_SHAPE',
    message: 'Expected y of shape [?] for head but received a number',
    run: using_(classifier, (m) => m.fit(x, wrong(1))),
  },
  {
    name: 'a label too large, in fit',
    code: 'ERR_LABEL_RANGE',
    message: 'Expected labels from 0 to the number of classes - 1 but received 2 in row 2 of y',
    run: using_(classifier, (m) => m.fit(x, [0, 1, 2, 0], { batchSize: 1 })),
  },
  {
    name: 'a negative label, in evaluate',
    code: 'ERR_LABEL_RANGE',
    message: 'Expected labels from 0 to the number of classes - 1 but received -1 in row 3 of y',
    run: using_(classifier, (m) => m.evaluate(x, [0, 1, 1, -1], { batchSize: 2 })),
  },
  {
    name: 'labels -1 and 1 for metrics of 0 and 1, in fit',
    code: 'ERR_LABEL_RANGE',
    message: 'Expected labels from 0 to 1 for the metrics precision, area, f1Score but received -1 in row 0 of y',
    run: using_(
      () => regression({ loss: 'hinge', metrics: ['precision', gs.metrics.auc({ name: 'area', fromLogits: true }), 'f1Score'] }),
      (m) => m.fit(x, [-1, 1, 1, -1], { shuffle: false }),
    ),
  },
  {
    name: 'a label just below 0, in evaluate',
    code: 'ERR_LABEL_RANGE',
    message: 'Expected labels from 0 to 1 for the metric recall but received one below 0 in row 2 of y',
    run: using_(
      () => regression({ weightedMetrics: ['recall'] }),
      (m) => m.evaluate(x, [0, 1, -0.5, 1]),
    ),
  },
  {
    name: 'a label that neither of two metrics takes',
    code: 'ERR_LABEL_RANGE',
    message:
      'Expected labels from 0 to the number of classes - 1, or from 0 to 1 for the metric precision but received 3 in row 1 of y',
    run: using_(
      () => regression({ metrics: ['precision', 'confusionMatrix'] }),
      (m) => m.evaluate(x, [0, 3, 1, 1]),
    ),
  },
  {
    name: 'NaN in the data',
    code: 'ERR_NAN',
    message: /^The loss became NaN or infinite in step 0 of the pass \(fit\)/,
    run: using_(regression, (m) => m.fit([[NaN, 0, 0]], [1])),
  },
  {
    name: 'a learning rate that diverges',
    code: 'ERR_NAN',
    message: /^The loss became NaN or infinite in step \d+ of the pass \(fit\): lower the learning rate/,
    run: using_(
      () => regression({ optimizer: optimizers.sgd({ learningRate: 1e20 }) }),
      (m) => m.fit(x, [1, 2, 3, 4], { epochs: 20 }),
    ),
  },
  {
    name: 'more memory than there is',
    code: 'ERR_OOM',
    message: /^Out of memory: \d+ bytes were requested/,
    run: using_(hugeModel, (m) => m.fit(new Uint8Array(1 << 20), [[0]])),
  },
];

/** A model whose step needs 1.7 terabytes: four hundred results of 4 gigabytes each are kept for the backward pass. */
function hugeModel(): gs.Sequential {
  const model = gs.sequential([
    layers.conv2d({ filters: 1024, kernelSize: 1, inputShape: [1024, 1024, 1] }),
    ...Array.from({ length: 400 }, () => layers.activation({ activation: 'tanh' })),
    layers.averagePooling2d({ poolSize: 1024 }),
  ]);
  model.compile({ optimizer: 'sgd', loss: (_yTrue, yPred) => yPred, device });
  return model;
}

describe('errors', () => {
  for (const { name, code, message, run } of CASES) {
    it(`${code}: ${name}`, () => expectFailure(run, code, message));
  }

  it('name the layer', () => {
    try {
      gs.sequential([gs.layers.flatten({ inputShape: [4, 4, 1] }), gs.layers.maxPooling2d({ name: 'pool' })]);
      expect.fail('nothing was thrown');
    } catch (error) {
      expect((error as gs.GradstepError).layer).to.equal('pool');
    }
  });

  it('of rejected promises carry the caller’s stack', async () => {
    using model = classifier();
    async function theCaller(): Promise<unknown> {
      return await model.fit(x, [0, 1, 7, 0]);
    }
    // Node.js's default; mocha sets another.
    const limit = Error.stackTraceLimit;
    Error.stackTraceLimit = 10;
    try {
      const error = await theCaller().catch((e: unknown) => e as Error);
      expect((error as Error).stack).to.contain('theCaller');
      expect(Error.stackTraceLimit).to.equal(10);
    } finally {
      Error.stackTraceLimit = limit;
    }
  });
});
