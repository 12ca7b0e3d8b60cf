/** Sessions on the emulated CUDA device, what it was asked to launch, and a program that counts its steps. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NativeSession } from '../../binding.js';
import { encodeProgram } from '../../lib/compile/encode.js';
import { assign, lower } from '../../lib/compile/lower.js';
import { Graph, type Variable } from '../../lib/graph/graph.js';
import { advance } from '../../lib/ops/gather.js';
import { elementwise } from '../../lib/ops/map.js';
import { native, pluginPath } from '../../lib/runtime/native.js';

export function plugin(kind: 'cuda' | 'cuda-emulated'): string {
  const { path, sought } = pluginPath(kind);
  if (!path) throw new Error(`The plugin is not built (looked for ${sought.join(', ')}): run npm test`);
  return path;
}

export function emulatedSession(): NativeSession {
  return new (native().Session)({ device: 'cuda-emulated', threads: 0, plugin: plugin('cuda-emulated') });
}

/** Where the counting program has its counters and the number that it doubles. */
export const COUNTERS = { offset: 0, bytes: 16 };
export const DOUBLED = { offset: 64, bytes: 4 };

/** A program that counts its steps, so many times, in int32 counters[0] and doubles a float. */
export function countingProgram(persistentBytes = 128, times = 1): Uint8Array {
  const state: Variable = { name: 'state', shape: [4], dtype: 'int32' };
  const x: Variable = { name: 'x', shape: [1], dtype: 'float32' };
  const graph = new Graph();
  assign(x, elementwise('mul', graph.read(x), 2));
  for (let i = 0; i < times; i++) advance(graph.read(state), 1, 10);
  return encodeProgram(
    lower(graph, {
      name: 'counting',
      backend: 'cuda',
      offsetOf: (v) => (v === x ? DOUBLED : COUNTERS).offset,
      persistentBytes: () => persistentBytes,
    }),
  );
}

/**
 * What the device was asked for, in order, and by which stream: `capture` and `launch` of a graph of so many nodes, `copy` of so
 * many bytes to the device.
 */
export type Trace = readonly (readonly [what: string, count: number, stream: number])[];

/**
 * A trace of what sessions that are made meanwhile are asked for; `pace`: microseconds that a kernel takes, as events tell.
 */
export class Traced {
  private readonly folder = mkdtempSync(join(tmpdir(), 'gradstep-trace-'));
  private readonly file = join(this.folder, 'trace');

  constructor(pace?: number) {
    writeFileSync(this.file, '');
    process.env.GRADSTEP_EMULATION_TRACE = this.file;
    if (pace !== undefined) process.env.GRADSTEP_EMULATION_PACE = String(pace);
  }

  /** What has come since the last call. */
  take(): Trace {
    const lines = readFileSync(this.file, 'utf8').split('\n').slice(0, -1);
    writeFileSync(this.file, '');
    return lines.map((line) => {
      const [what, count, stream] = line.split(' ');
      return [what!, Number(count), Number(stream)] as const;
    });
  }

  end(): void {
    delete process.env.GRADSTEP_EMULATION_TRACE;
    delete process.env.GRADSTEP_EMULATION_PACE;
    rmSync(this.folder, { recursive: true });
  }
}
