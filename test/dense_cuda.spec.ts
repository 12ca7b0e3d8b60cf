/**
 * Dense layers on CUDA by cuBLASLt's epilogues, where the op-table walk takes products with passes of our own behind them: the
 * way forward, the way back, and both by an epilogue, so that each reads what the other way of the other has left.
 */
import { expect } from 'chai';
import { cases } from './cases/dense.js';
import { backends, isEmulationTested, openSession, sharedSession } from './helpers/backends.js';
import { emulatedSession, Traced } from './helpers/emulation.js';
import { compareCase } from './helpers/op_compare.js';
import { inputNumbers, runCase } from './helpers/op_run.js';

async function byWays(names: string, body: () => Promise<void>): Promise<void> {
  const before = process.env.GRADSTEP_CUDA_WAYS;
  process.env.GRADSTEP_CUDA_WAYS = names;
  try {
    await body();
  } finally {
    process.env.GRADSTEP_CUDA_WAYS = before;
  }
}

const WAYS = ['activation_epilogue', 'slope_epilogue', 'activation_epilogue,slope_epilogue,gradient_epilogue'];

for (const backend of backends().filter(({ kind }) => kind === 'cuda')) {
  for (const names of WAYS) {
    describe(`dense layers by ${names} on ${backend.name}`, () => {
      const session = sharedSession(() => openSession(backend));
      for (const test of cases) it(test.name, () => byWays(names, () => compareCase(session(), backend.kind, test)));
    });
  }
}

describe('ways of dense layers', () => {
  if (!isEmulationTested()) return;

  /** Nodes of the graph of a case's step. */
  async function nodesOf(named: RegExp, ways: string, narrow?: readonly string[]): Promise<number> {
    const test = cases.find(({ name }) => named.test(name))!;
    const traced = new Traced();
    const session = emulatedSession();
    try {
      await byWays(ways, async () => {
        await runCase(session, 'cuda', test, inputNumbers(test.inputs), { guardBytes: 0, fusion: true, narrow });
      });
      return traced.take().find(([what]) => what === 'capture')![1];
    } finally {
      await session.dispose();
      traced.end();
    }
  }

  // Seven slices of rows, whose sums are added by a launch of their own.
  for (const [what, named] of [
    ['relu', /^\[300, .* relu, bias/],
    ['gelu', /^\[300, .* gelu, bias/],
  ] as const) {
    it(`${what}: an epilogue takes the place of each pass`, async () => {
      const passes = await nodesOf(named, 'first');
      expect(await nodesOf(named, 'activation_epilogue')).to.equal(passes - 1);
      expect(await nodesOf(named, 'slope_epilogue')).to.equal(passes - 2);
      expect(await nodesOf(named, WAYS.at(-1)!)).to.equal(passes - 3);
    });
  }

  it("a weight's and a bias's gradient: an epilogue takes the place of the sum", async () => {
    const named = /^gradients of \[5, 3\]/;
    expect(await nodesOf(named, 'gradient_epilogue')).to.equal((await nodesOf(named, 'first')) - 1);
  });

  it('stored in bfloat16, bias included, a layer is one launch by an epilogue; a bias in float32 keeps it from that', async () => {
    const named = /^\[5, 7-12-1\] gelu, bias in bfloat16/;
    const layer = ['x', 'w1', 'h'];
    expect(await nodesOf(named, 'activation_epilogue', [...layer, 'bias'])).to.equal(1);
    expect(await nodesOf(named, 'activation_epilogue', layer)).to.equal(2);
    // The product is made in float32, with a bias that is widened; gelu rounds.
    expect(await nodesOf(named, 'first', [...layer, 'bias'])).to.equal(3);
    expect(await nodesOf(named, 'first', layer)).to.equal(2);
  });

  it('columns of gelu that the library does not want have no epilogue', async () => {
    const named = /^\[5, 7-11-3\] gelu/;
    expect(await nodesOf(named, WAYS.at(-1)!)).to.equal(await nodesOf(named, 'first'));
  });
});
