/**
 * `npm run check:full`: what CI leaves out to stay quick. Compiles the CUDA plugin for every architecture that the package
 * supports, looks for kernels that spill on any of them and for tensor cores where they are meant to be used; runs every op case on
 * the emulated device under five thread orders, and once with every access of every thread looked at; and shows that the emulation
 * notices the mistakes it is there to notice. Ends with a table of what was checked.
 */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as ptx from './check_ptx.mjs';
import { complaints, missing, readLogs } from './check_spills.mjs';
import { EVERY_ARCHITECTURE } from './setup.mjs';
import { passSpecs } from './specs.mjs';
import { runStages, stageTable, succeed } from './stages.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const ORDERS = 5;

/** Every kernel must have been compiled for every architecture, and spill on none but where the list allows it. */
function kernelsAreSound() {
  const kernels = readLogs(join(root, 'build-full/native/cuda/ptxas'));
  const found = [...complaints(kernels), ...missing(kernels, EVERY_ARCHITECTURE)];
  if (found.length > 0) throw new Error(found.join('\n'));
  const allowed = complaints(kernels, {}).length;
  const each = kernels.length / EVERY_ARCHITECTURE.length;
  return `${each} kernels for each of ${EVERY_ARCHITECTURE.length} architectures; ${allowed} of them spill, as they may`;
}

/** The kernels that are meant to multiply on tensor cores do, and no other. */
function tensorCoresAreUsed() {
  const functions = ptx.readPtx(join(root, 'build-full/native/cuda/ptx'));
  const found = ptx.complaints(functions);
  if (found.length > 0) throw new Error(found.join('\n'));
  const multiplying = functions.filter(({ operands }) => operands.size > 0).length;
  return `${multiplying} of ${functions.length} kernels multiply on them, counted once for each architecture`;
}

const emulated = { GRADSTEP_TEST_DEVICES: 'cuda-emulated', GRADSTEP_TEST_ORDERS: String(ORDERS) };

const stages = [
  {
    name: 'set-up',
    run: async (log) => {
      await succeed([process.execPath, 'scripts/setup.mjs', 'test'], { log });
      return 'the tree is ready';
    },
  },
  {
    name: 'CUDA plugin',
    run: async (log) => {
      await succeed([process.execPath, 'scripts/setup.mjs', 'prebuild'], { log });
      return `compiled for ${EVERY_ARCHITECTURE.map((number) => `sm_${number}`).join(', ')} and PTX`;
    },
  },
  { name: 'spills', run: () => kernelsAreSound() },
  { name: 'tensor cores', run: () => tensorCoresAreUsed() },
  {
    name: 'op cases',
    run: async (log) => {
      const { passed } = await passSpecs(['test/op_table.spec.ts', 'test/recurrence_cuda.spec.ts', 'test/dense_cuda.spec.ts'], {
        log,
        env: emulated,
      });
      return `${passed} passed, under ${ORDERS} thread orders`;
    },
  },
  {
    name: 'races',
    run: async (log) => {
      await succeed([process.execPath, 'scripts/setup.mjs', 'races'], { log });
      const plugin = join(root, 'build-races/Release/gradstep_cuda_emulated.so');
      const env = { GRADSTEP_TEST_DEVICES: 'cuda-emulated', GRADSTEP_TEST_ORDERS: '1', GRADSTEP_EMULATED_PLUGIN: plugin };
      const { passed } = await passSpecs(['test/op_table.spec.ts', 'test/recurrence_cuda.spec.ts'], { log, env });
      return `none in ${passed} op cases, nor reads of what nobody wrote`;
    },
  },
  {
    name: 'mistakes',
    run: async (log) => {
      const { passed } = await passSpecs(['test/cuda_emulation.spec.ts'], { log });
      return `${passed} tests show that the emulation notices them`;
    },
  },
];

const results = await runStages('check:full', stages, join(root, 'build-full/logs'));
console.log(`\n${stageTable(results)}\n`);
const failed = results.filter(({ error }) => error !== undefined);
if (failed.length > 0) {
  console.error(`check:full: failed: ${failed.map(({ stage }) => stage).join(', ')} (logs in build-full/logs)`);
  process.exit(1);
}
