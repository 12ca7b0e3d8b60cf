/**
 * What the tests of the native runtime share: the addon's file, the fake plugin (a device of memory and sleep: device 0
 * takes 5 ms a step, 1 takes 300 ms, 2 breaks at its second step, 3 cannot be made), a program without steps, and a
 * check of rejections.
 */
import { expect } from 'chai';
import { join } from 'node:path';
import type { NativeSession } from '../../binding.js';
import { encodeProgram } from '../../lib/compile/encode.js';
import { loadAddon, packageRoot } from '../../lib/runtime/native.js';

export const { addon, path: ADDON } = loadAddon(packageRoot());

const release = join(packageRoot(), 'build/Release');
export const FAKE_PLUGIN = join(release, 'gradstep_fake_plugin.so');
export const PLUGIN_OF_ANOTHER_ABI = join(release, 'gradstep_fake_plugin_abi.so');
export const PLUGIN_OF_ANOTHER_TABLE = join(release, 'gradstep_fake_plugin_table.so');

/** A program without steps over 64 bytes; the fake device counts its runs in the first eight of them. */
export const EMPTY_PROGRAM = encodeProgram({ name: 'empty', instructions: [], persistentBytes: 64, scratchBytes: 0 });

export const COUNTER = { offset: 0, bytes: 8 };

export function counted(report: ArrayBuffer): number {
  return Number(new BigInt64Array(report)[0]);
}

export function cpuSession(): NativeSession {
  return new addon.Session({ device: 'cpu', threads: 2 });
}

export function fakeSession(index: number): NativeSession {
  return new addon.Session({ device: `cuda:${index}`, threads: 0, plugin: FAKE_PLUGIN });
}

/** The call rejects with an Error of this code whose message holds `text`. */
export async function expectRejection(call: Promise<unknown>, code: string, text: string): Promise<void> {
  const error = await call.then(
    (value) => expect.fail(`resolved to ${String(value)}, expected ${code}`),
    (e: unknown) => e,
  );
  expect(error).to.be.instanceOf(Error);
  expect(error).to.have.property('code', code);
  expect((error as Error).message).to.contain(text);
}
