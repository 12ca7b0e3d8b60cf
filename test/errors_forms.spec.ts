/**
 * Options that are wrong in their form, where each part could pass: arrays with holes, objects that inherit, arrays that change
 * later; and sizes beyond what kernels count to.
 */
import { expect } from 'chai';
import { runInNewContext } from 'node:vm';
import * as gs from '../lib/index.js';
import { expectFailure, wrong } from './helpers/failure.js';

const { layers, metrics } = gs;

/** [, 1]: an array whose first element is missing. */
const holed = Object.assign(new Array<number>(2), { 1: 1 });

const dense = (): gs.Sequential => gs.sequential([layers.dense({ units: 1, inputShape: [1] })]);
const trained = { optimizer: 'sgd', loss: 'meanSquaredError', device: 'cpu' } as const;

describe('arrays with holes', () => {
  const shape = 'array of integers > 0 or null';
  const CASES: [where: string, message: string, run: () => unknown][] = [
    ['input.shape', `${shape} for input.shape but received [undefined, 1] of type array`, () => gs.input({ shape: holed })],
    [
      'inputShape',
      `${shape} for layers.flatten.inputShape but received [undefined, 1] of type array`,
      () => layers.flatten({ inputShape: holed }),
    ],
    [
      'build',
      `${shape} for build.inputShape but received [undefined, 1] of type array`,
      () => gs.sequential([layers.dense({ units: 1 })]).build(holed),
    ],
    [
      'strides',
      'integer > 0 or a pair of them for layers.conv2d.strides but received [undefined, 1] of type array',
      () => layers.conv2d({ filters: 1, kernelSize: 1, strides: wrong(holed) }),
    ],
    [
      'pairs within an array',
      'integer >= 0 or two of them, or two pairs for layers.cropping2d.cropping but received [[undefined, 1], [undefined, 1]] of type array',
      () => layers.cropping2d({ cropping: wrong([holed, holed]) }),
    ],
    [
      'cells',
      'recurrent cell, such as layers.lstmCell makes for layers.stackedRNNCells.cells[0] but received undefined',
      () => layers.stackedRNNCells({ cells: new Array<gs.Layer>(1) }),
    ],
    [
      'numbers of classes',
      'integer >= 0 for metrics.iou.targetClassIds[0] but received undefined',
      () => metrics.iou({ targetClassIds: holed }),
    ],
    [
      'metrics',
      'name of a metric, a metric or a function for compile.metrics[0] but received undefined',
      () => dense().compile({ ...trained, metrics: new Array<gs.Metric>(1) }),
    ],
    [
      'metrics of an output',
      'name of a metric, a metric or a function for compile.metrics[0][0] but received undefined',
      () => dense().compile({ ...trained, metrics: [new Array<gs.Metric>(1)] }),
    ],
    [
      'callbacks',
      'callback for fit.callbacks[0] but received undefined',
      async () => {
        using model = dense();
        model.compile(trained);
        await model.fit([[1]], [[1]], { callbacks: new Array<gs.Callback>(1) });
      },
    ],
    ['layers', 'layer for sequential.layers[0] but received undefined', () => gs.sequential(new Array<gs.Layer>(1))],
    [
      'columns of an input',
      'name or number of a column for data.csv.columns.a[0] but received undefined',
      () => gs.data.csv('none.csv', { columns: { a: new Array<string>(1) }, label: 'b' }),
    ],
    ['values of gs.ops', 'value for ops.concat values[0] but received undefined', () => gs.ops.concat(new Array<gs.Value>(1))],
  ];
  for (const [where, message, run] of CASES) {
    it(`are rejected as ${where}`, () => expectFailure(run, 'ERR_OPTION', `Expected ${message}`));
  }

  it('are rejected as what a layer is applied to', () =>
    expectFailure(
      () => layers.add().apply([gs.input({ shape: [1] })].concat(new Array<gs.SymbolicTensor>(1))),
      'ERR_OPTION',
      /array of them for add\.apply but received \[SymbolicTensor, undefined\]/,
    ));
});

describe('options that are no plain object', () => {
  class Getters {
    get units(): number {
      return 1;
    }
  }
  class Fields {
    units = 3;
  }
  const CASES: [name: string, received: string, options: object][] = [
    ['a map', 'Map', new Map([['units', 1]])],
    ['a map of another realm', 'Map', runInNewContext('new Map()') as object],
    ['a promise', 'Promise', Promise.resolve({ units: 1 })],
    ['an object with getters of its class', 'Getters', new Getters()],
    ['an object that inherits them', 'Object', Object.create({ units: 1 }) as object],
  ];
  for (const [name, received, options] of CASES) {
    const expected = 'Expected an object of options without inherited properties for layers.dense';
    it(`such as ${name} are rejected`, () =>
      expectFailure(() => layers.dense(wrong(options)), 'ERR_OPTION', `${expected} but received ${received} of type object`));
  }

  it('are rejected as weights of classes, and of outputs', async () => {
    using model = dense();
    model.compile(trained);
    await expectFailure(
      () => model.fit([[1]], [[1]], { classWeight: wrong(new Map([[0, 2]])) }),
      'ERR_OPTION',
      /^Expected an object from class numbers to weights without inherited properties for fit\.classWeight but received Map/,
    );
    await expectFailure(
      () => model.compile({ ...trained, lossWeights: wrong(new Map([['dense', 2]])) }),
      'ERR_OPTION',
      /^Expected an object with outputs without inherited properties for compile\.lossWeights but received Map/,
    );
  });

  it('are taken where all that they hold is their own', () => {
    const own = [new Fields(), Object.assign(Object.create(null), { units: 3 }), runInNewContext('({ units: 3 })')];
    for (const options of own) expect(layers.dense(wrong(options)).options.units).to.equal(3);
  });
});

describe('arrays that change after they were given', () => {
  it('leave the options of layers and constraints as they were', async () => {
    const [kernelSize, mean, axis]: [[number, number], number[], number[]] = [[3, 3], [1], [0]];
    const conv = layers.conv2d({ filters: 1, kernelSize });
    const constraint = gs.constraints.maxNorm({ axis });
    using model = gs.sequential([layers.normalization({ mean, variance: 1, inputShape: [1] })]);
    kernelSize[0] = 99;
    mean[0] = NaN;
    axis[0] = 7;
    expect(conv.options.kernelSize).to.deep.equal([3, 3]);
    expect(constraint.config.axis).to.deep.equal([0]);
    expect([...(await model.predict([[3]])).data]).to.deep.equal([2]);
  });
});

describe('arrays that hold themselves', () => {
  it('are rejected as options, shown to some depth', async () => {
    const endless: unknown[] = [];
    endless.push(endless);
    const message = /^Expected integer > 0 for layers\.dense\.units but received \[{6}\[…\]{7} of type array$/;
    await expectFailure(() => layers.dense({ units: wrong(endless) }), 'ERR_OPTION', message);
  });
});

describe('sizes beyond 32 bits', () => {
  const largest = 2 ** 31 - 1;
  const built = (layer: gs.Layer, shape: number[]) => () => gs.sequential([layer]).build(shape);
  const image = [4, 4, 1];

  it('are rejected as options', async () => {
    for (const size of [2 ** 31, 2 ** 53, 1e308]) {
      const received = `but received ${size} of type number`;
      await expectFailure(
        () => layers.conv2d({ filters: 1, kernelSize: 1, strides: size }),
        'ERR_OPTION',
        `Expected integer from 1 to ${largest} or a pair of them for layers.conv2d.strides ${received}`,
      );
      await expectFailure(
        () => layers.zeroPadding1d({ padding: size }),
        'ERR_OPTION',
        `Expected integer >= 0 or [before, after] for layers.zeroPadding1d.padding ${received}`,
      );
      await expectFailure(
        () => gs.input({ shape: [size] }),
        'ERR_OPTION',
        `Expected array of integers from 1 to ${largest} or null for input.shape but received [${size}] of type array`,
      );
    }
  });

  it('are rejected where they follow from options', async () => {
    const gru = built(layers.gru({ units: 2 ** 31 }), [2, 1]);
    await expectFailure(gru, 'ERR_SHAPE', 'A result of shape [2147483648] is too large (in gru)');
    const wide = built(layers.dense({ units: largest }), [largest]);
    await expectFailure(wide, 'ERR_SHAPE', /^A weight kernel of shape \[2147483647, 2147483647\] is too large \(in dense\)$/);
    const padded = built(layers.zeroPadding2d({ padding: largest }), image);
    await expectFailure(
      padded,
      'ERR_SHAPE',
      /^A result of shape \[4294967298, 4294967298, 1\] is too large \(in zero_padding2d\)$/,
    );
    using model = gs.sequential([layers.conv2d({ filters: 1, kernelSize: 3, dilationRate: largest, padding: 'same' })]);
    const apart = /^A window of \[3, 3\] whose elements lie that far apart is too large \(in conv2d\)$/;
    await expectFailure(() => model.predict(gs.tensor(new Float32Array(16), [1, ...image])), 'ERR_SHAPE', apart);
  });

  it('are taken up to there', async () => {
    using model = gs.sequential([layers.conv2d({ filters: 1, kernelSize: 2, strides: largest })]);
    expect((await model.predict(gs.tensor(new Float32Array(16), [1, ...image]))).shape).to.deep.equal([1, 1, 1, 1]);
  });
});

describe('names', () => {
  it('of layers that are no strings are rejected', async () => {
    const model = dense();
    const rejects = (name: unknown, received: string) =>
      expectFailure(() => model.getLayer(wrong(name)), 'ERR_OPTION', `Expected layer name for getLayer but received ${received}`);
    await rejects(undefined, 'undefined');
    await rejects(null, 'null');
    await rejects(0, '0 of type number');
    await rejects({}, 'Object of type object');
  });

  it('of options are unknown where there are none', () =>
    expectFailure(
      () => gs.initializers.zeros(wrong({ seed: 1 })),
      'ERR_OPTION',
      'Unknown option "seed" for initializers.zeros: expected no options',
    ));
});
