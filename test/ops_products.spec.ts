/** ops.einsum against loops over all letters in float64, gradients against differences; NumPy's implied results; what is refused. */
import { Graph, type Value } from '../lib/graph/graph.js';
import type { Shape } from '../lib/graph/shape.js';
import * as ops from '../lib/ops/index.js';
import { flat, indices, type OpCase } from './cases/op_case.js';
import { describeCases, describeRefusals } from './helpers/op_cases.js';

/** Every product of elements whose letters agree, added up where the result's letters say. */
function summed(left: readonly string[], right: string, sizes: Record<string, number>, operands: readonly (readonly number[])[]) {
  const letters = [...new Set(left.join(''))];
  const shapeOf = (axes: string) => [...axes].map((a) => sizes[a]!);
  const y = new Array<number>(shapeOf(right).reduce((n, d) => n * d, 1)).fill(0);
  for (const index of indices(letters.map((a) => sizes[a]!))) {
    const at = (axes: string) =>
      flat(
        shapeOf(axes),
        [...axes].map((a) => index[letters.indexOf(a)]!),
      );
    y[at(right)]! += left.reduce((product, axes, i) => product * operands[i]![at(axes)]!, 1);
  }
  return y;
}

/** @param meant where the equation leaves out the result, or what "..." stands for: all of it */
function equation(text: string, sizes: Record<string, number>, meant = text): OpCase {
  const [operands, right] = meant.replaceAll(' ', '').split('->') as [string, string];
  const left = operands.split(',');
  const names = left.map((_, i) => `x${i}`);
  return {
    name: text,
    inputs: Object.fromEntries(left.map((axes, i) => [names[i]!, { shape: [...axes].map((a) => sizes[a]!) }])),
    build: (values) => ({ y: ops.einsum(text, ...names.map((n) => values[n]!)) }),
    reference: (values) => ({
      y: summed(
        left,
        right,
        sizes,
        names.map((n) => values[n]!),
      ),
    }),
    terms: 40,
  };
}

const sizes = { b: 2, h: 3, q: 4, k: 5, d: 6, i: 3, j: 4, l: 2 };

describeCases('ops.einsum', [
  equation('ii->i', sizes),
  equation('ii', sizes, 'ii->'),
  equation('bii->ib', sizes),
  equation('ibi->b', sizes),
  equation('iii->i', sizes),
  equation('iibb->bi', sizes),
  equation('bii,bij->bj', sizes),
  equation('ij,jj,jk->ik', sizes),
  equation('ii,b->bi', { i: 1, b: 2 }),
  equation('...ii->...i', sizes, 'bhii->bhi'),
  equation('ij,jk->ik', sizes),
  equation('ij,jk', sizes, 'ij,jk->ik'),
  equation('ji,kj->ki', sizes),
  equation('bhqd,bhkd->bhqk', sizes),
  equation('bqhd,bkhd->bhqk', sizes),
  equation('bhqk,bkhd->bqhd', sizes),
  equation('bi,bj->bij', sizes),
  equation('bi,bi->b', sizes),
  equation('i,j->ji', sizes),
  equation('ij,ij->', sizes),
  equation('ij,j->i', sizes),
  equation('bij,k->bj', sizes),
  equation('bij->jb', sizes),
  equation('ij', sizes, 'ij->ij'),
  equation('ji', sizes, 'ji->ij'),
  equation('bij->', sizes),
  equation('i,,j', { i: 3, j: 4 }, 'i,,j->ij'),
  equation('bi, bij, bj -> b', sizes),
  equation('bi,ij,bj->b', sizes),
  equation('bd,dhk,bk->bh', sizes),
  equation('ij,jk,kl,lb->ib', sizes),
  equation('Bq,bq->bB', { B: 3, b: 2, q: 4 }),
  equation('...ij,...jk->...ik', sizes, 'bhij,bhjk->bhik'),
  equation('...ij,jk->...ik', sizes, 'bhij,jk->bhik'),
  equation('...ij,...jk', sizes, 'bhij,hjk->bhik'),
  equation('i...,...k->k...i', sizes, 'ibh,hk->kbhi'),
  equation('...i,...i->', sizes, 'bi,bi->'),
  equation('...i,i->...', sizes, 'i,i->'),
  equation('b...->...b', sizes, 'bhij->hijb'),
  equation('...ij,...jk->...ik', { ...sizes, x: 1 }, 'xhij,bxjk->bhik'),
  equation('...i,...i->...', { x: 1, y: 1, i: 3 }, 'xyi,yi->xy'),
]);

const graph = new Graph();
const input = (shape: Shape): Value => graph.read({ name: 'x', shape, dtype: 'float32' });
const [a, b] = [input([2, 3]), input([3, 4])];
const bad = (v: unknown) => v as never;
describeRefusals('ops.einsum', [
  ['no equation', () => ops.einsum(bad(3), a), 'ERR_OPTION', 'Expected equation of letters such as "bij,bjk->bik"'],
  ['other signs', () => ops.einsum('i..j->i', a), 'ERR_OPTION', 'Expected equation of letters'],
  ['a letter twice in the result', () => ops.einsum('i->ii', a), 'ERR_OPTION', 'each once in the result'],
  [
    'a diagonal of no square',
    () => ops.einsum('ii->i', a),
    'ERR_SHAPE',
    'Axis i of ops.einsum "ii->i" is 2 and 3 in one operand',
  ],
  ['two arrows', () => ops.einsum('ij->i->j', a), 'ERR_OPTION', 'Expected equation of letters'],
  ['a letter of the result alone', () => ops.einsum('ij->ik', a), 'ERR_OPTION', 'Axis k of the result is in no operand'],
  ['too few operands', () => ops.einsum('ij,jk->ik', a), 'ERR_OPTION', 'names 2 operands but received 1'],
  [
    'another rank',
    () => ops.einsum('ijk->i', a),
    'ERR_SHAPE',
    'Expected 3 axes (ijk) for ops.einsum "ijk->i" but received [2, 3]',
  ],
  [
    'sizes that differ',
    () => ops.einsum('ij,ik->jk', a, b),
    'ERR_SHAPE',
    'Axis i of ops.einsum "ij,ik->jk" is 2 in one operand and 3',
  ],
  [
    'axes of ... that differ',
    () => ops.einsum('...i,...->i', a, b),
    'ERR_SHAPE',
    'Axis of "..." of ops.einsum "...i,...->i" is 2 in',
  ],
  ['... twice', () => ops.einsum('......i->i', a), 'ERR_OPTION', 'Expected equation of letters'],
  ['too few axes beside ...', () => ops.einsum('...ijk->i', a), 'ERR_SHAPE', 'Expected 3 axes (ijk)'],
  ['... of the result alone', () => ops.einsum('ij->...k', a), 'ERR_OPTION', 'Axis k of the result'],
  ['a number as operand', () => ops.einsum('ij,jk->ik', a, bad(2)), 'ERR_OPTION', 'Expected value for ops.einsum operand 2'],
]);
