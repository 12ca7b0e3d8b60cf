/**
 * Convolution and pooling layers: results, the gradients by input and weights, shapes and saved forms of every layer at
 * options other than the defaults against PyTorch in float64 (test/golden/make_conv_fixtures.py), on every backend; what
 * their options refuse; initializers, regularizers and constraints of each weight.
 */
import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import * as gs from '../lib/index.js';
import { Graph, type Value } from '../lib/graph/graph.js';
import type { CallContext } from '../lib/layers/layer.js';
import { restoreLayer, saveLayer } from '../lib/layers/registry.js';
import { gradients } from '../lib/ops/autodiff.js';
import { conv, convTranspose } from '../lib/ops/conv.js';
import { elementwise } from '../lib/ops/map.js';
import { maxPool } from '../lib/ops/max_pool.js';
import type { OpCase } from './cases/op_case.js';
import { backends, openSession } from './helpers/backends.js';
import { compareCase } from './helpers/op_compare.js';
import { expectFailure } from './helpers/failure.js';
import type { NativeSession } from '../binding.js';

interface Numbers {
  shape: number[];
  data: number[];
}

interface Fixture {
  factory: keyof typeof gs.layers;
  options: Record<string, unknown>;
  x: Numbers;
  weights: Numbers[];
  g: number[];
  y: Numbers;
  dx: number[];
  dweights: number[][];
}

type Make = (options: Record<string, unknown>) => gs.Layer;

const path = fileURLToPath(new URL('golden/layers_conv.json', import.meta.url));
const fixtures = JSON.parse(readFileSync(path, 'utf8')) as Fixture[];
const makerOf = (factory: string): Make => (gs.layers as unknown as Record<string, Make>)[factory]!;
const title = ({ factory, options }: Fixture): string => `${factory} ${JSON.stringify(options)}`;

/** A layer applied to a value, with the values of its weights by role. */
function callLayer(layer: gs.Layer, x: Value, weights: Record<string, Value>, mask?: Value): Value {
  const context = { training: true, trainable: true, mask, masks: [mask], weight: (role: string) => weights[role]! };
  return layer.parts.call([x], context as unknown as CallContext)[0]!;
}

/** The layer's result and the gradients of Σ g · result, against the fixture's. */
function caseOf(fixture: Fixture, layer: gs.Layer): OpCase {
  const { x, y, g, dx, weights, dweights } = fixture;
  const specs = layer.parts.weights([x.shape.slice(1)]);
  expect(specs.map((w) => w.shape)).to.deep.equal(weights.map((w) => w.shape));
  const inputs = Object.fromEntries(specs.map(({ role }, i) => [role, weights[i]!]));
  return {
    name: title(fixture),
    inputs: { x, g: { shape: y.shape, data: g }, ...inputs },
    build: (v) => {
      const result = callLayer(layer, v.x!, v);
      expect(result.shape).to.deep.equal(y.shape);
      const slopes = gradients(elementwise('mul', result, v.g!), [v.x!, ...specs.map(({ role }) => v[role]!)]);
      return { y: result, dx: slopes[0]!, ...Object.fromEntries(specs.map(({ role }, i) => [`d/${role}`, slopes[i + 1]!])) };
    },
    reference: () => ({ y: y.data, dx, ...Object.fromEntries(specs.map(({ role }, i) => [`d/${role}`, dweights[i]!])) }),
    gradients: [],
    terms: 64,
  };
}

for (const backend of backends().filter((b) => (b.order ?? 0) === 0)) {
  describe(`convolution and pooling layers: PyTorch's numbers on ${backend.name}`, () => {
    let session: NativeSession;
    before(() => {
      session = openSession(backend);
    });
    after(() => session.dispose());

    for (const fixture of fixtures) {
      it(title(fixture), async () => {
        const layer = makerOf(fixture.factory)(fixture.options);
        expect(layer.parts.outputShapes([fixture.x.shape.slice(1)])).to.deep.equal([fixture.y.shape.slice(1)]);
        await compareCase(session, backend.kind, caseOf(fixture, layer));
      });
    }

    it('globalAveragePooling1d leaves out the steps that the mask leaves out', async () => {
      const layer = gs.layers.globalAveragePooling1d();
      await compareCase(session, backend.kind, {
        name: 'mask',
        inputs: { x: { shape: [3, 4, 3] }, mask: { shape: [3, 4], data: [1, 1, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0] } },
        build: ({ x, mask }) => ({ y: callLayer(layer, x!, {}, mask) }),
        reference: ({ x, mask }) => ({
          y: Array.from({ length: 9 }, (_, i) => {
            const [row, channel] = [Math.floor(i / 3), i % 3];
            const steps = [0, 1, 2, 3].filter((t) => mask![row * 4 + t] === 1);
            return steps.reduce((s, t) => s + x![(row * 4 + t) * 3 + channel]!, 0) / Math.max(steps.length, 1);
          }),
        }),
        gradients: ['x'],
      });
    });
  });
}

describe('convolution and pooling layers', () => {
  it('every one has fixtures', () => {
    const names = Object.keys(gs.layers).filter((name) => /conv\d|pooling/i.test(name));
    expect(names).to.have.length(22);
    expect(names.filter((name) => !fixtures.some((f) => f.factory === name))).to.deep.equal([]);
  });

  for (const fixture of fixtures) {
    it(`${title(fixture)}, saved and restored`, () => {
      const layer = makerOf(fixture.factory)(fixture.options);
      const saved = JSON.parse(JSON.stringify(saveLayer(layer, 'it'))) as unknown;
      const again = restoreLayer(saved, 'layers[0]');
      expect(saveLayer(again, 'it')).to.deep.equal(saved);
      expect(again.parts.outputShapes([fixture.x.shape.slice(1)])).to.deep.equal([fixture.y.shape.slice(1)]);
    });
  }
});

describe('weights of convolution layers', () => {
  const [one, two, three] = [
    [6, 2],
    [6, 6, 2],
    [4, 4, 4, 2],
  ];
  const layers: [string, number[], Record<string, unknown>, Record<string, string>][] = [
    ['conv1d', one!, { filters: 2 }, { kernel: 'kernel', bias: 'bias' }],
    ['conv2d', two!, { filters: 2 }, { kernel: 'kernel', bias: 'bias' }],
    ['conv3d', three!, { filters: 2 }, { kernel: 'kernel', bias: 'bias' }],
    ['conv1dTranspose', one!, { filters: 2 }, { kernel: 'kernel', bias: 'bias' }],
    ['conv2dTranspose', two!, { filters: 2 }, { kernel: 'kernel', bias: 'bias' }],
    ['conv3dTranspose', three!, { filters: 2 }, { kernel: 'kernel', bias: 'bias' }],
    ['depthwiseConv1d', one!, {}, { depthwise: 'kernel', bias: 'bias' }],
    ['depthwiseConv2d', two!, {}, { depthwise: 'kernel', bias: 'bias' }],
    ...[['separableConv1d', one!] as const, ['separableConv2d', two!] as const].map(
      ([name, shape]): [string, number[], Record<string, unknown>, Record<string, string>] => [
        name,
        shape,
        { filters: 2 },
        { depthwise: 'depthwise_kernel', pointwise: 'pointwise_kernel', bias: 'bias' },
      ],
    ),
  ];
  for (const [factory, inputShape, options, prefixes] of layers) {
    it(`${factory}: each has its initializer, regularizer and constraint`, () => {
      const given: Record<string, unknown> = { ...options, kernelSize: 2 };
      const expected = Object.entries(prefixes).map(([prefix, role], i) => {
        const [initializer, regularizer] = [gs.initializers.constant({ value: i + 1 }), gs.regularizers.l2({ l2: i + 1 })];
        const constraint = gs.constraints.maxNorm({ maxValue: i + 1 });
        given[`${prefix}Initializer`] = initializer;
        given[`${prefix}Regularizer`] = regularizer;
        given[`${prefix}Constraint`] = constraint;
        return { role, initializer, regularizer, constraint };
      });
      const weights = makerOf(factory)(given).parts.weights([inputShape]);
      expect(weights.map(({ shape: _shape, ...rest }) => rest)).to.deep.equal(expected);
      weights.forEach((w, i) => expect(w.initializer).to.equal(expected[i]!.initializer));
    });

    it(`${factory}: kernels begin as glorotUniform, biases as zeros`, () => {
      const weights = makerOf(factory)({ ...options, kernelSize: 2 }).parts.weights([inputShape]);
      expect(weights.map((w) => w.initializer.name)).to.deep.equal(
        weights.map((w) => (w.role === 'bias' ? 'zeros' : 'glorotUniform')),
      );
    });
  }

  it('a model of them trains: the loss falls', async () => {
    const model = gs.sequential([
      gs.layers.separableConv2d({ filters: 8, kernelSize: 3, depthMultiplier: 2, activation: 'relu', inputShape: [8, 8, 3] }),
      gs.layers.depthwiseConv2d({ kernelSize: 3, padding: 'same', activation: 'relu' }),
      gs.layers.conv2dTranspose({ filters: 4, kernelSize: 2, strides: 2, activation: 'relu' }),
      gs.layers.conv2d({ filters: 4, kernelSize: 3, groups: 2, activation: 'relu' }),
      gs.layers.globalAveragePooling2d(),
      gs.layers.dense({ units: 1 }),
    ]);
    try {
      model.compile({ optimizer: gs.optimizers.adam({ learningRate: 0.01 }), loss: 'meanSquaredError', device: 'cpu', seed: 1 });
      const x = gs.tensor(
        Float32Array.from({ length: 16 * 192 }, (_, i) => Math.sin(i * i)),
        [16, 8, 8, 3],
      );
      const y = gs.tensor(
        Float32Array.from({ length: 16 }, (_, i) => (i % 2 === 0 ? 1 : 2)),
        [16, 1],
      );
      const { loss } = await model.fit(x, y, { epochs: 20, batchSize: 8 });
      expect(loss.at(-1)).to.be.below(0.5 * loss[0]!);
    } finally {
      await model.dispose();
    }
  });
});

describe('wrong options of convolution and pooling layers', () => {
  const errors: [string, string | RegExp, () => unknown][] = [];
  const refuse = (factory: string, options: Record<string, unknown>, message: string | RegExp): void => {
    errors.push([`${factory} ${JSON.stringify(options)}`, message, () => makerOf(factory)(options)]);
  };
  const whole = /^Expected integer > 0 for layers\.\w+\.\w+ but received/;
  for (const axes of [1, 2, 3]) {
    const several = { 1: 'an array of one', 2: 'a pair of them', 3: 'an array of three' }[axes]!;
    const perAxis = (name: string): RegExp =>
      new RegExp(`^Expected integer > 0 or ${several} for layers\\.\\w+\\.${name} but received`);
    const convolutions: [string, Record<string, unknown>][] = [
      [`conv${axes}d`, { filters: 2 }],
      [`conv${axes}dTranspose`, { filters: 2 }],
      ...(axes === 3
        ? []
        : [[`depthwiseConv${axes}d`, {}] as [string, object], [`separableConv${axes}d`, { filters: 2 }] as [string, object]]),
    ] as [string, Record<string, unknown>][];
    for (const [factory, given] of convolutions) {
      const sound = { ...given, kernelSize: 2 };
      const tooMany = Array.from({ length: axes + 1 }, () => 1);
      refuse(factory, given, perAxis('kernelSize'));
      refuse(factory, { ...sound, kernelSize: 0 }, perAxis('kernelSize'));
      refuse(factory, { ...sound, kernelSize: tooMany }, perAxis('kernelSize'));
      refuse(factory, { ...sound, strides: tooMany }, perAxis('strides'));
      refuse(factory, { ...sound, strides: 1.5 }, perAxis('strides'));
      refuse(factory, { ...sound, dilationRate: 0 }, perAxis('dilationRate'));
      refuse(factory, { ...sound, padding: 'full' }, /^Unknown value "full" for layers\.\w+\.padding/);
      if (axes > 1 || factory.endsWith('Transpose')) {
        refuse(factory, { ...sound, padding: 'causal' }, /^Unknown value "causal" for layers\.\w+\.padding/);
      }
      refuse(factory, { ...sound, useBias: 1 }, /^Expected boolean for layers\.\w+\.useBias/);
      refuse(factory, { ...sound, activation: 'rel' }, /^Unknown activation "rel"/);
      refuse(factory, { ...sound, biasInitializer: 1 }, /^Expected .* for layers\.\w+\.biasInitializer/);
      refuse(factory, { ...sound, kernel: 1 }, /^Unknown option "kernel"/);
      if ('filters' in given) refuse(factory, { ...sound, filters: 0 }, whole);
      if (/depthwise|separable/.test(factory)) refuse(factory, { ...sound, depthMultiplier: 0 }, whole);
    }
    refuse(`conv${axes}d`, { filters: 2, kernelSize: 1, groups: 0 }, whole);
    refuse(
      `conv${axes}d`,
      { filters: 3, kernelSize: 1, groups: 2 },
      new RegExp(`^Expected multiple of groups \\(2\\) for layers.conv${axes}d.filters but received 3`),
    );
    refuse(
      `conv${axes}dTranspose`,
      { filters: 3, kernelSize: 1, outputPadding: -1 },
      new RegExp(`^Expected integer >= 0 or ${several} for layers.conv${axes}dTranspose.outputPadding but received -1`),
    );
    refuse(
      `conv${axes}dTranspose`,
      { filters: 3, kernelSize: 3, strides: 2, outputPadding: 2 },
      new RegExp(`^Expected less than the strides \\[2(, 2)*\\] for layers.conv${axes}dTranspose.outputPadding but received`),
    );
    for (const kind of ['max', 'average']) {
      refuse(`${kind}Pooling${axes}d`, { poolSize: 0 }, perAxis('poolSize'));
      refuse(`${kind}Pooling${axes}d`, { strides: [] }, perAxis('strides'));
      refuse(`${kind}Pooling${axes}d`, { padding: 'causal' }, /^Unknown value "causal" for layers\.\w+\.padding/);
      refuse(
        `global${kind === 'max' ? 'Max' : 'Average'}Pooling${axes}d`,
        { keepDims: 1 },
        /^Expected boolean for layers\.\w+\.keepDims/,
      );
    }
  }
  for (const [name, message, run] of errors) {
    it(name, () => expectFailure(run, 'ERR_OPTION', message));
  }

  const shapes: [string, Record<string, unknown>, number[], string | RegExp][] = [
    ['conv1d', { filters: 1, kernelSize: 2 }, [3], 'Expected samples of shape [steps, channels] but received [3]'],
    ['conv3d', { filters: 1, kernelSize: 2 }, [3, 3, 3], /^Expected samples of shape \[depth, height, width, channels\]/],
    ['conv2d', { filters: 4, kernelSize: 1, groups: 2 }, [3, 3, 3], 'Expected channels that divide by groups (2) but received 3'],
    [
      'conv1dTranspose',
      { filters: 1, kernelSize: 2 },
      [3, 3, 3],
      'Expected samples of shape [steps, channels] but received [3, 3, 3]',
    ],
    [
      'conv2dTranspose',
      { filters: 1, kernelSize: 2, padding: 'same', outputPadding: 0 },
      [1, 1, 3],
      'A transposed window of [2, 2] leaves nothing of samples [1, 1, 3]',
    ],
    ['separableConv2d', { filters: 1, kernelSize: 4 }, [3, 5, 2], /^A window of \[4, 4\] with padding "valid" does not fit/],
    ['depthwiseConv1d', { kernelSize: 3, dilationRate: 2 }, [4, 2], /^A window of \[3\] with padding "valid" does not fit/],
    ['maxPooling3d', {}, [2, 1, 2, 1], /^A window of \[2, 2, 2\] with padding "valid" does not fit/],
    ['globalMaxPooling2d', {}, [2, 2], 'Expected samples of shape [height, width, channels] but received [2, 2]'],
  ];
  for (const [factory, options, input, message] of shapes) {
    it(`${factory} ${JSON.stringify(options)} on [${input.join(', ')}]`, () =>
      expectFailure(() => makerOf(factory)(options).parts.outputShapes([input]), 'ERR_SHAPE', message));
  }
});

describe('convolution and pooling ops', () => {
  const values = (...shapes: number[][]): Value[] => {
    const graph = new Graph();
    return shapes.map((shape, i) => graph.read({ name: `v${i}`, shape, dtype: 'float32' }));
  };
  const errors: [string, string, () => unknown][] = [
    [
      "channels that are not the kernel's",
      'Cannot convolve [1, 4, 4, 3] with a kernel [2, 2, 2, 5]',
      () => ((v) => conv(v[0]!, v[1]!, {}))(values([1, 4, 4, 3], [2, 2, 2, 5])),
    ],
    [
      'filters that groups do not divide',
      'Cannot convolve [1, 4, 4, 6] with a kernel [2, 2, 2, 5] in 3 groups',
      () => ((v) => conv(v[0]!, v[1]!, { groups: 3 }))(values([1, 4, 4, 6], [2, 2, 2, 5])),
    ],
    [
      'a kernel of another rank',
      'Cannot convolve [1, 4, 4, 4, 2] with a kernel [2, 2, 2, 5]',
      () => ((v) => conv(v[0]!, v[1]!, {}))(values([1, 4, 4, 4, 2], [2, 2, 2, 5])),
    ],
    [
      'a bias of another length',
      'Expected a bias of shape [5] but received [4]',
      () => ((v) => conv(v[0]!, v[1]!, {}, v[2]))(values([1, 4, 4, 2], [2, 2, 2, 5], [4])),
    ],
    [
      'a transposed convolution to a shape that no window makes',
      'A transposed convolution of [1, 3, 3, 5] with this window does not make [1, 6, 6, 2]',
      () => ((v) => convTranspose(v[0]!, v[1]!, [1, 6, 6, 2], {}))(values([1, 3, 3, 5], [2, 2, 2, 5])),
    ],
    [
      'pooling over one axis',
      'Cannot slide a window of [2, 2] over a value of shape [1, 4, 2]',
      () => maxPool(values([1, 4, 2])[0]!, { poolH: 2, poolW: 2 }),
    ],
    [
      'a window larger than the value',
      'conv would make a value of shape [1, 0, 3, 5]',
      () => ((v) => conv(v[0]!, v[1]!, {}))(values([1, 2, 4, 2], [3, 2, 2, 5])),
    ],
  ];
  for (const [name, message, run] of errors) {
    it(name, () => expectFailure(run, 'ERR_SHAPE', message));
  }
});
