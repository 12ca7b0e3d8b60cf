/**
 * Recurrent layers and embeddings in bfloat16: what a language model stores in it, how much memory that saves, what lies in the
 * memory of what; and that training follows float32 on the CPU and on emulated CUDA, in both forms of a recurrence there.
 */
import { expect } from 'chai';
import * as gs from '../lib/index.js';
import { printProgram, type Instruction, type Program } from '../lib/compile/program.js';
import type { Value } from '../lib/graph/graph.js';
import { gradients } from '../lib/ops/autodiff.js';
import { elementwise } from '../lib/ops/map.js';
import { gru } from '../lib/ops/gru.js';
import { lstm } from '../lib/ops/lstm.js';
import { matmul } from '../lib/ops/matmul.js';
import type { Precision } from '../lib/ops/precision.js';
import { sum } from '../lib/ops/reduce_sum.js';
import { reshape } from '../lib/ops/reshape.js';
import { simpleRnn } from '../lib/ops/simple_rnn.js';
import { softmax } from '../lib/ops/softmax.js';
import { programOf } from '../lib/train/inspect.js';
import { lowerOn, named, type ReadVariable } from './helpers/lowered.js';

const [B, T, H] = [4, 6, 8];

/** The types of an instruction's tensors, by name. */
const typesOf = ({ inputs, outputs }: Instruction): Record<string, string> =>
  Object.fromEntries(Object.entries({ ...inputs, ...outputs }).map(([name, { dtype }]) => [name, dtype]));

const languageModel = (): gs.Model =>
  gs.sequential([
    gs.layers.embedding({ inputDim: 20, outputDim: 12, inputShape: [T] }),
    gs.layers.lstm({ units: 16, returnSequences: true }),
    gs.layers.lstm({ units: 16, returnSequences: true }),
    gs.layers.dense({ units: 20, activation: 'softmax' }),
  ]);

describe('what bfloat16 stores of recurrent layers', () => {
  const programIn = (precision: Precision): Program => {
    const model = languageModel();
    model.compile({ optimizer: 'adam', loss: 'sparseCategoricalCrossentropy', precision, device: 'cpu' });
    return programOf(model, { kind: 'train', rows: 32 }, 'cpu').program;
  };

  it('all that lies over time between an embedding and the last layer, but the cells', () => {
    const program = programIn('bfloat16');
    const kept = { xw: 'bfloat16', y: 'bfloat16', gates: 'bfloat16', hPrev: 'bfloat16', cells: 'float32', u: 'float32' };
    for (const layer of named(program, 'lstm')) expect(typesOf(layer)).to.deep.equal(kept);
    const back = { gates: 'bfloat16', dy: 'bfloat16', dxw: 'bfloat16', cells: 'float32', u: 'float32' };
    for (const layer of named(program, 'lstmDx')) expect(typesOf(layer)).to.deep.equal(back);
    for (const layer of named(program, 'embedding')) expect(typesOf(layer)).to.include({ y: 'bfloat16', table: 'float32' });
    expect(typesOf(named(program, 'embeddingDx')[0]!)).to.include({ dy: 'bfloat16', dtable: 'float32' });
    expect(typesOf(named(program, 'softmaxCrossEntropy')[0]!)).to.include({ x: 'float32' });
    const products = named(program, 'matmul').map(typesOf);
    // By the recurrent kernels, and by the second layer's.
    expect(products.filter(({ a, b, y }) => a === 'bfloat16' && b === 'bfloat16' && y === 'float32').length).to.be.at.least(3);
  });

  it('as the printed program says, in little more than half the memory', () => {
    const printed = (precision: Precision): [string, number] => {
      const text = printProgram(programIn(precision));
      return [text, Number(/scratch (\d+) bytes/.exec(text)![1])];
    };
    const [[narrow, half], [wide, full]] = [printed('bfloat16'), printed('float32')];
    // Of 32 sequences: two layers' gates, states and cells, of which the cells are not halved.
    expect(half / full).to.be.within(0.5, 0.65);
    expect(narrow).to.include('gates:bf16[32,6,64]').and.to.include('xw:bf16[32,6,64]').and.to.include('cells:f32[32,6,16]');
    expect(wide).to.include('gates:f32[32,6,64]').and.to.not.include('bf16');
  });

  /** One layer from a product to a product, and back. */
  const between =
    (gates: number, run: (xw: Value, u: Value) => Value, extra: (xw: Value) => Value[] = () => []) =>
    (read: ReadVariable): Value[] => {
      const w = read('w', [3, gates * H]);
      const xw = reshape(matmul(read('x', [B * T, 3]), w), [B, T, gates * H]);
      const u = read('u', [H, gates * H]);
      const y = matmul(reshape(run(xw, u), [B * T, H]), read('v', [H, 2]));
      const loss = sum(elementwise('square', elementwise('sub', y, read('t', [B * T, 2]))));
      return [...(gradients(loss, [w, u]) as Value[]), ...extra(xw)];
    };

  it('gates in the memory of xw, and dxw in that of gates', () => {
    const program = lowerOn(
      'cpu',
      between(4, (xw, u) => lstm(xw, u).y),
      'bfloat16',
    );
    const [[forward], [back]] = [named(program, 'lstm'), named(program, 'lstmDx')];
    const places = [forward!.inputs.xw!, forward!.outputs.gates!, back!.outputs.dxw!].map(({ buffer }) => buffer);
    expect(new Set(places.map(({ offset, bytes }) => `${offset} ${bytes}`)).size).to.equal(1);
    expect(places[0]!.bytes).to.equal(2 * B * T * 4 * H);
  });

  // What a softmax reads stays float32, and with it xw.
  it('gates beside xw, where those are of two types', () => {
    const program = lowerOn(
      'cpu',
      between(
        4,
        (xw, u) => lstm(xw, u).y,
        (xw) => [softmax(reshape(xw, [B * T, 4 * H]))],
      ),
      'bfloat16',
    );
    const [{ inputs, outputs }] = named(program, 'lstm') as [Instruction];
    expect([inputs.xw!.dtype, outputs.gates!.dtype]).to.deep.equal(['float32', 'bfloat16']);
    const [xw, gates] = [inputs.xw!.buffer, outputs.gates!.buffer];
    expect(xw.offset + xw.bytes <= gates.offset || gates.offset + gates.bytes <= xw.offset, 'apart').to.equal(true);
  });

  it('the same of a gru, and the states by which a simple cell finds its slopes', () => {
    const gated = lowerOn(
      'cuda',
      between(3, (xw, u) => gru(xw, u, { bias: xw.graph.read({ name: 'b', shape: [3 * H], dtype: 'float32' }) }).y),
      'bfloat16',
    );
    expect(typesOf(named(gated, 'gru')[0]!)).to.include({
      xw: 'bfloat16',
      gates: 'bfloat16',
      inner: 'bfloat16',
      hPrev: 'bfloat16',
    });
    expect(typesOf(named(gated, 'gruDx')[0]!)).to.include({
      dy: 'bfloat16',
      dxw: 'bfloat16',
      dhw: 'bfloat16',
      inner: 'bfloat16',
    });
    const simple = lowerOn(
      'cuda',
      between(1, (xw, u) => simpleRnn(xw, u).y),
      'bfloat16',
    );
    expect(typesOf(named(simple, 'simpleRnnDx')[0]!)).to.include({
      y: 'bfloat16',
      dy: 'bfloat16',
      dxw: 'bfloat16',
      u: 'float32',
    });
  });
});

describe('training recurrent layers in bfloat16', () => {
  const ROWS = 24;
  const { GRADSTEP_CUDA_WAYS: ways } = process.env;
  afterEach(() => {
    process.env.GRADSTEP_CUDA_WAYS = ways;
  });
  // Words of which each follows from the one before; some sequences end early.
  const words = Int32Array.from({ length: ROWS * T }, (_, i) => {
    const [row, step] = [Math.floor(i / T), i % T];
    return step < T - (row % 3) ? 1 + ((row * 7 + step * 3) % 19) : 0;
  });
  const x = gs.tensor(words, [ROWS, T]);
  const labels = gs.tensor(
    words.map((word) => (word * 3 + 1) % 20),
    [ROWS, T],
  );

  const layersOf: Record<string, () => gs.Layer[]> = {
    lstm: () => [gs.layers.lstm({ units: 16, returnSequences: true }), gs.layers.lstm({ units: 12, returnSequences: true })],
    gru: () => [
      gs.layers.gru({ units: 16, returnSequences: true }),
      gs.layers.gru({ units: 12, returnSequences: true, resetAfter: false }),
    ],
    'simple cells, both ways': () => [
      gs.layers.bidirectional({ layer: gs.layers.simpleRNN({ units: 8, returnSequences: true }) }),
      gs.layers.simpleRNN({ units: 12, returnSequences: true }),
    ],
  };

  for (const [name, layers] of Object.entries(layersOf)) {
    const losses = async (device: string, precision: Precision): Promise<number[]> => {
      using model = gs.sequential([
        gs.layers.embedding({ inputDim: 20, outputDim: 12, maskZero: true, inputShape: [T] }),
        ...layers(),
        gs.layers.dense({ units: 20, activation: 'softmax' }),
      ]);
      const optimizer = gs.optimizers.adam({ learningRate: 0.01 });
      model.compile({ optimizer, loss: 'sparseCategoricalCrossentropy', precision, device, seed: 2 });
      return (await model.fit(x, labels, { epochs: 6, batchSize: 8, shuffle: false })).loss;
    };

    it(`${name}: follows float32`, async () => {
      const exact = await losses('cpu', 'float32');
      expect(exact.at(-1)! / exact[0]!, 'it learns').to.be.lessThan(0.9);
      for (const [device, way] of [
        ['cpu', 'first'],
        ['cuda-emulated', 'first'],
        ['cuda-emulated', 'persistent'],
      ] as const) {
        process.env.GRADSTEP_CUDA_WAYS = way;
        const rough = await losses(device, 'bfloat16');
        expect(rough).to.not.deep.equal(exact);
        rough.forEach((loss, epoch) => expect(loss / exact[epoch]!, `${device}, ${way}, epoch ${epoch}`).to.be.closeTo(1, 0.01));
      }
    });
  }
});
