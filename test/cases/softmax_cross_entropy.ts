/** softmaxCrossEntropy from class numbers and from distributions; a label out of range raises the flag. */
import { gradients } from '../../lib/ops/autodiff.js';
import { elementwise } from '../../lib/ops/map.js';
import { softmaxCrossEntropy, softmaxCrossEntropyDxOp, softmaxCrossEntropyOp } from '../../lib/ops/softmax_cross_entropy.js';
import { softmaxRows } from './softmax.js';
import { FLAG, STATE, type OpCase } from './op_case.js';

function sparse(name: string, rows: number, classes: number, extra: Partial<OpCase> = {}): OpCase {
  return {
    name,
    inputs: {
      x: { shape: [rows, classes], range: [-3, 3] },
      labels: { shape: [rows], dtype: 'int32', range: [0, classes] },
      state: STATE,
      flag: FLAG,
    },
    build: ({ x, labels, state, flag }) => ({ loss: softmaxCrossEntropy(x!, labels!, state!, flag!) }),
    reference: ({ x, labels }) => {
      const p = softmaxRows(x!, classes);
      return { loss: labels!.map((l, r) => -Math.log(p[r * classes + l]!)), flag: [0, 0, 0, 0] };
    },
    gradients: ['x'],
    terms: 4,
    ...extra,
  };
}

function dense(name: string, rows: number, classes: number, extra: Partial<OpCase> = {}): OpCase {
  return {
    name,
    inputs: {
      x: { shape: [rows, classes], range: [-3, 3] },
      labels: { shape: [rows, classes], range: [0, 1] },
      state: STATE,
      flag: FLAG,
    },
    build: ({ x, labels, state, flag }) => ({ loss: softmaxCrossEntropy(x!, labels!, state!, flag!) }),
    reference: ({ x, labels }) => {
      const p = softmaxRows(x!, classes);
      const loss = new Array<number>(rows).fill(0);
      labels!.forEach((t, i) => (loss[Math.floor(i / classes)]! -= t * Math.log(p[i]!)));
      return { loss, flag: [0, 0, 0, 0] };
    },
    gradients: ['x', 'labels'],
    terms: classes * 4,
    ...extra,
  };
}

/** Loss and dx in one kernel, with the probabilities or without. */
function bothAtOnce(name: string, rows: number, classes: number, labelsAre: 'numbers' | 'shares', keepsShares: boolean): OpCase {
  const labels = labelsAre === 'numbers' ? { shape: [rows], dtype: 'int32' as const, range: [0, classes] as const } : undefined;
  return {
    name: `loss and gradient at once: ${name}`,
    inputs: {
      x: { shape: [rows, classes], range: [-3, 3] },
      labels: labels ?? { shape: [rows, classes], range: [0, 1] },
      state: STATE,
      flag: FLAG,
      dloss: { shape: [rows], range: [-2, 2] },
    },
    build: (v) => {
      const { loss, probabilities, dx } = v.x!.graph.add(softmaxCrossEntropyOp, v).outputs;
      return { loss: loss!, dx: dx!, ...(keepsShares && { probabilities: probabilities! }) };
    },
    reference: ({ x, labels, dloss }) => {
      const probabilities = softmaxRows(x!, classes);
      const shares =
        labelsAre === 'shares' ? labels! : x!.map((_, i) => (labels![Math.floor(i / classes)] === i % classes ? 1 : 0));
      const rowSum = (of: (i: number) => number): number[] =>
        dloss!.map((_, r) => Array.from({ length: classes }, (_, c) => of(r * classes + c)).reduce((a, b) => a + b, 0));
      const mass = rowSum((i) => shares[i]!);
      const loss = rowSum((i) => -shares[i]! * Math.log(probabilities[i]!));
      const row = (i: number): number => Math.floor(i / classes);
      const dx = x!.map((_, i) => (probabilities[i]! * mass[row(i)]! - shares[i]!) * dloss![row(i)]!);
      return { loss, dx, ...(keepsShares && { probabilities }) };
    },
    gradients: [],
    terms: classes * 4,
    narrow: [['dx']],
  };
}

/** The gradient from the probabilities. */
function gradient(name: string, rows: number, classes: number, labelsAre: 'numbers' | 'shares'): OpCase {
  const labels = labelsAre === 'numbers' ? { shape: [rows], dtype: 'int32' as const, range: [0, classes] as const } : undefined;
  return {
    name: `gradient alone: ${name}`,
    inputs: {
      probabilities: { shape: [rows, classes], range: [0, 1] },
      labels: labels ?? { shape: [rows, classes], range: [0, 1] },
      dloss: { shape: [rows], range: [-2, 2] },
    },
    build: (v) => ({ dx: v.probabilities!.graph.add(softmaxCrossEntropyDxOp, v).outputs.dx! }),
    reference: ({ probabilities, labels: given, dloss }) => {
      const row = (i: number): number => Math.floor(i / classes);
      const share = (i: number): number => (labels ? (given![row(i)] === i % classes ? 1 : 0) : given![i]!);
      const mass = dloss!.map((_, r) =>
        Array.from({ length: classes }, (_c, c) => share(r * classes + c)).reduce((a, b) => a + b, 0),
      );
      return { dx: probabilities!.map((p, i) => (p * mass[row(i)]! - share(i)) * dloss![row(i)]!) };
    },
    gradients: rows > 100 ? [] : ['probabilities', 'dloss', ...(labels ? [] : ['labels'])],
    terms: classes * 4,
    narrow: [['dx']],
  };
}

/** The gradient by the logits, differentiated in turn: by the logits and by the gradient that arrives. */
function twice(labelsAre: 'numbers' | 'shares'): OpCase {
  const { narrow: _narrow, ...made } = bothAtOnce(`${labelsAre}, differentiated twice`, 3, 4, labelsAre, false);
  return {
    ...made,
    build: ({ x, labels, state, flag, dloss }) => {
      const loss = softmaxCrossEntropy(x!, labels!, state!, flag!);
      return { loss, dx: gradients(elementwise('mul', loss, dloss!), [x!])[0]! };
    },
    gradients: ['x', 'dloss', ...(labelsAre === 'shares' ? ['labels'] : [])],
    terms: 64,
  };
}

export const cases: OpCase[] = [
  bothAtOnce('class numbers', 5, 7, 'numbers', false),
  bothAtOnce('class numbers, with probabilities', 5, 8, 'numbers', true),
  bothAtOnce('distributions', 5, 7, 'shares', false),
  bothAtOnce('distributions, with probabilities', 3, 40, 'shares', true),
  bothAtOnce('several blocks of rows', 1100, 12, 'numbers', false),
  bothAtOnce('long rows', 3, 2100, 'shares', false),
  bothAtOnce('long rows of odd length', 3, 2101, 'numbers', true),
  bothAtOnce('long distributions of odd length', 3, 2101, 'shares', false),
  bothAtOnce('rows longer than a block', 2, 9000, 'numbers', false),
  gradient('class numbers', 5, 8, 'numbers'),
  gradient('distributions', 3, 4, 'shares'),
  twice('numbers'),
  twice('shares'),
  gradient('distributions, several blocks of rows', 1100, 9, 'shares'),
  sparse('class numbers', 5, 7),
  sparse('class numbers, one class', 3, 1),
  sparse('class numbers, 300 classes', 2, 300, { gradients: [] }),
  dense('distributions', 5, 7),
  sparse('class numbers, 700 rows: more than one block', 700, 10, { gradients: [] }),
  dense('distributions, one row', 1, 40),
  dense('distributions, 700 rows: more than one block', 700, 10, { gradients: [] }),
  dense('distributions, 100 classes', 3, 100, { gradients: [] }),
  {
    name: 'probabilities beside the loss',
    inputs: { x: { shape: [4, 6] }, labels: { shape: [4], dtype: 'int32', data: [0, 5, 2, 2] }, state: STATE, flag: FLAG },
    build: (v) => {
      const { loss, probabilities } = v.x!.graph.add(softmaxCrossEntropyOp, v).outputs;
      return { loss: loss!, probabilities: probabilities! };
    },
    reference: ({ x, labels }) => {
      const probabilities = softmaxRows(x!, 6);
      return { probabilities, loss: labels!.map((l, r) => -Math.log(probabilities[r * 6 + l]!)) };
    },
    gradients: [],
    terms: 4,
  },
  {
    name: 'the first wrong label raises the flag and counts as loss 0',
    inputs: {
      x: { shape: [4, 3] },
      labels: { shape: [4], dtype: 'int32', data: [2, 3, -1, 0] },
      state: { ...STATE, data: [41, 0, 0, 0] },
      flag: FLAG,
    },
    build: ({ x, labels, state, flag }) => ({ loss: softmaxCrossEntropy(x!, labels!, state!, flag!) }),
    reference: ({ x, labels }) => {
      const p = softmaxRows(x!, 3);
      return { loss: labels!.map((l, r) => (l < 0 || l > 2 ? 0 : -Math.log(p[r * 3 + l]!))), flag: [1, 1, 3, 41] };
    },
    gradients: [],
    terms: 4,
  },
];
