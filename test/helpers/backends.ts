/**
 * The backends the tests run on: the CPU, and CUDA's kernels compiled as plain C++ under several thread orders. The
 * emulation is built by `npm test`'s set-up; where it is missing the tests fail rather than skip.
 *
 *     GRADSTEP_TEST_DEVICES=cuda:0 npx mocha test/op_table.spec.ts     on a GPU; several are separated by commas
 *     GRADSTEP_TEST_ORDERS=5 npx mocha test/op_table.spec.ts           under more thread orders
 */
import { resolveDevice } from '../../lib/runtime/devices.js';
import { native } from '../../lib/runtime/native.js';
import type { NativeSession } from '../../binding.js';

export interface TestBackend {
  name: string;
  kind: 'cpu' | 'cuda';
  device: string;
  /** Seed of the emulation's thread order. */
  order?: number;
}

export function backends(): TestBackend[] {
  const devices = (process.env.GRADSTEP_TEST_DEVICES || 'cpu,cuda-emulated').split(',');
  const orders = Array.from({ length: Number(process.env.GRADSTEP_TEST_ORDERS || 2) }, (_, i) => i);
  return devices.flatMap((device): TestBackend[] => {
    const kind = device.startsWith('cuda') ? 'cuda' : 'cpu';
    if (device !== 'cuda-emulated') return [{ name: device, kind, device }];
    return orders.map((order) => ({ name: `${device}, thread order ${order}`, kind, device, order }));
  });
}

const onGpus = new WeakSet<NativeSession>();

export function openSession({ device, kind, order }: TestBackend): NativeSession {
  const { name, plugin } = resolveDevice(device);
  if (order !== undefined) process.env.GRADSTEP_EMULATION_SEED = String(order);
  const session = new (native().Session)({ device: name, threads: 2, ...(plugin && { plugin }) });
  if (kind === 'cuda' && order === undefined) onGpus.add(session);
  return session;
}

/** A session that the tests of a block share. One in which a test failed may be of no use any more: the next test has another. */
export function sharedSession(open: () => NativeSession): () => NativeSession {
  let session: NativeSession | undefined;
  before(() => {
    session = open();
  });
  afterEach(async function () {
    if (this.currentTest!.state !== 'failed') return;
    await session!.dispose();
    session = open();
  });
  after(() => session?.dispose());
  return () => session!;
}

/** Whether the emulation is among the backends: some tests ask what only it can tell. */
export function isEmulationTested(): boolean {
  return backends().some(({ device }) => device === 'cuda-emulated');
}

/** Whether a session's products are cuBLAS's. */
export function isOnGpu(session: NativeSession): boolean {
  return onGpus.has(session);
}
