/**
 * The backends the tests run on: the CPU, and CUDA's kernels compiled as plain C++ under several thread orders. The
 * emulation is built by `npm test`'s set-up; where it is missing the tests fail rather than skip.
 */
import { native, pluginPath } from '../../lib/runtime/native.js';
import type { NativeSession } from '../../binding.js';

export interface TestBackend {
  name: string;
  kind: 'cpu' | 'cuda';
  device: string;
  /** Seed of the emulation's thread order. */
  order?: number;
}

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
      order,
    })),
  ];
  return only ? all.filter((b) => b.device === only) : all;
}

export function openSession({ device, order }: TestBackend): NativeSession {
  if (order === undefined) return new (native().Session)({ device, threads: 2 });
  const { path, sought } = pluginPath('cuda-emulated');
  if (!path) throw new Error(`The emulated CUDA plugin is not built (looked for ${sought.join(', ')}): run npm test`);
  process.env.GRADSTEP_EMULATION_SEED = String(order);
  return new (native().Session)({ device, threads: 2, plugin: path });
}
