/**
 * The C++ tests, which need no Node.js, and the count of allocations inside training steps: gradstep's own code makes
 * none, and oneDNN's (it uses scratch memory of ours) do not grow with the steps.
 */
import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { WORKLOADS } from '../bench/workloads.js';
import { exportProgram } from '../lib/train/inspect.js';

const TESTS = fileURLToPath(new URL('../build/Release/gradstep_native_test', import.meta.url));

type Counts = Record<'gradstep' | 'onednn' | 'openmp' | 'libstdcxx' | 'other', number>;

interface Allocations {
  steps: number;
  /** Allocations counted for gradstep when the counter was tried out on two. */
  proof: number;
  first: Counts;
  second: Counts;
}

/** Of `threads` at most, where it is given. */
async function allocations(workload: string, rows: number, steps: number, threads?: number): Promise<Allocations> {
  const model = WORKLOADS.find(({ name }) => name === workload)!.build();
  model.compile({ optimizer: 'adam', loss: 'sparseCategoricalCrossentropy', metrics: ['accuracy'], device: 'cpu' });
  const folder = mkdtempSync(join(tmpdir(), 'gradstep-'));
  try {
    const file = join(folder, 'train.program');
    writeFileSync(file, (await exportProgram(model, { kind: 'train', rows })).program);
    const env = { ...process.env, ...(threads && { OMP_THREAD_LIMIT: String(threads) }) };
    const { stdout, stderr } = spawnSync(TESTS, ['--allocations', file, String(steps)], { encoding: 'utf8', env });
    expect(stderr).to.equal('');
    return JSON.parse(stdout) as Allocations;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

describe('native core', () => {
  it('passes its C++ tests', () => {
    const { status, signal, stdout } = spawnSync(TESTS, [], { encoding: 'utf8' });
    expect(signal).to.equal(null);
    const summary = /^(\d+) passed, (\d+) failed$/m.exec(stdout);
    expect(summary, stdout).not.to.equal(null);
    expect(summary![2], stdout).to.equal('0');
    expect(Number(summary![1])).to.be.at.least(50);
    expect(status).to.equal(0);
  });

  for (const { workload, rows, steps, threads } of [
    { workload: 'mlp_small', rows: 32, steps: 1000 },
    { workload: 'mlp_small', rows: 32, steps: 1000, threads: 1 },
    { workload: 'cnn_mnist', rows: 4, steps: 100 },
  ]) {
    it(`allocates nothing within ${steps} training steps of ${workload}${threads ? ' on one thread' : ''}`, async () => {
      const { proof, first, second } = await allocations(workload, rows, steps, threads);
      expect(proof, 'the counter sees allocations').to.equal(2);
      expect(first.gradstep).to.equal(0);
      expect(second.gradstep).to.equal(0);
      for (const [name, count] of Object.entries(second)) {
        expect(count, `allocations of ${name} in the second ${steps} steps`).to.be.at.most(first[name as keyof Counts]);
      }
    });
  }
});
