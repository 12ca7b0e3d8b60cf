/**
 * The backends the tests run on: the CPU, and CUDA's kernels compiled as plain C++ under several thread orders. The
 * emulation is built by `npm test`'s set-up; where it is missing the tests fail rather than skip.
 */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { native } from '../../lib/runtime/native.js';
import type { NativeSession } from '../../binding.js';

export interface TestBackend {
  name: string;
  kind: 'cpu' | 'cuda';
  device: string;
  plugin?: string;
  /** Seed of the emulation's thread order. */
  order?: number;
}

export const EMULATED_PLUGIN = fileURLToPath(new URL('../../build-emulated/gradstep_cuda_emulated.so', import.meta.url));

/** Thread orders of the emulation; GRADSTEP_TEST_ORDERS names more or fewer. */
function orders(): number[] {
  return Array.from({ length: Number(process.env.GRADSTEP_TEST_ORDERS ?? 2) }, (_, i) => i);
}

export function backends(): TestBackend[] {
  const only = process.env.GRADSTEP_TEST_BACKEND;
  const all: TestBackend[] = [
    { name: 'cpu', kind: 'cpu', device: 'cpu' },
    ...orders().map((order) => ({
      name: `cuda-emulated, thread order ${order}`,
      kind: 'cuda' as const,
      device: 'cuda-emulated',
      plugin: EMULATED_PLUGIN,
      order,
    })),
  ];
  return only ? all.filter((b) => b.device === only) : all;
}

export function openSession(backend: TestBackend): NativeSession {
  if (backend.plugin && !existsSync(backend.plugin)) throw new Error(`${backend.plugin} is not built: run npm run setup`);
  if (backend.order !== undefined) process.env.GRADSTEP_EMULATION_SEED = String(backend.order);
  const { device, plugin } = backend;
  return new (native().Session)({ device, threads: 2, ...(plugin ? { plugin } : {}) });
}
