/** gs.compile: constants that several results are made of, and scalars that steps with look-ups assign. Numbers are worked out by hand. */
import { expect } from 'chai';
import * as gs from '../lib/index.js';
import { backends } from './helpers/backends.js';

const { ops } = gs;

for (const { name, device } of backends()) {
  describe(`gs.compile with constants on ${name}`, () => {
    it('a constant is there for all that read it, wherever they stand', async () => {
      using f = gs.compile(
        ({ x, y }) => {
          const zero = ops.zerosLike(x);
          const less = ops.add(zero, -1);
          const none = ops.mul(zero, less);
          return { none, c: ops.mul(less, x), sum: ops.add(none, y) };
        },
        { inputs: { x: { shape: [4] }, y: { shape: [3, 4] } }, device },
      );
      const y = Array.from({ length: 12 }, (_, i) => i - 5);
      const { c, sum, none } = await f({ x: [1, 2, 3, 4], y: gs.tensor(y, [3, 4]) });
      expect([...c.data]).to.deep.equal([-1, -2, -3, -4]);
      expect([...sum.data]).to.deep.equal(y);
      expect([...none.data].every((v) => v === 0)).to.equal(true);
    });

    it('and where only two results are made of it', async () => {
      using f = gs.compile(
        ({ x }) => {
          const zero = ops.zerosLike(x);
          const less = ops.add(zero, -1);
          return { none: ops.mul(zero, less), c: ops.mul(less, x) };
        },
        { inputs: { x: { shape: [4] } }, device },
      );
      expect([...(await f({ x: [1, 2, 3, 4] })).c.data]).to.deep.equal([-1, -2, -3, -4]);
    });

    it('the gradient of what is not used is a constant as well', async () => {
      using f = gs.compile(
        ({ x }) => {
          const [z] = gs.grad(ops.sum(ops.stopGradient(x)), [x]);
          const [s, d] = [ops.square(z!), ops.add(z!, 1)];
          return { s, q: ops.mul(s, d), e: ops.exp(d) };
        },
        { inputs: { x: { shape: [3] } }, device },
      );
      const { e, q } = await f({ x: [5, 6, 7] });
      for (const v of e.data) expect(v).to.be.closeTo(Math.E, 1e-6);
      expect([...q.data]).to.deep.equal([0, 0, 0]);
    });

    it('a scalar is assigned in a step that looks up by index, unless an index was wrong', async () => {
      const v = gs.variable({ value: gs.tensor(new Float32Array([1]), []) });
      using f = gs.compile(
        ({ x, i }) => {
          const found = ops.gather(x, i);
          v.assign(ops.sum(found));
          return { found };
        },
        { inputs: { x: { shape: [5] }, i: { shape: [3], dtype: 'int32' } }, device },
      );
      expect([...(await f({ x: [1, 2, 3, 4, 5], i: [0, 2, 4] })).found.data]).to.deep.equal([1, 3, 5]);
      expect((await v.value()).data[0]).to.equal(9);
      const error: unknown = await f({ x: [1, 2, 3, 4, 5], i: [0, 2, 5] }).catch((e: unknown) => e);
      expect((error as gs.GradstepError).code).to.equal('ERR_INDEX_RANGE');
      expect((await v.value()).data[0]).to.equal(9);
    });
  });
}
