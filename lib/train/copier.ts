/** Copies of parts of a large buffer, a few milliseconds of work at a time. */
import { setImmediate } from 'node:timers/promises';
import type { Range } from '../runtime/session.js';

/** Bytes copied between two looks at the event loop. */
const PAUSE_BYTES = 8 << 20;

/** The floats of ranges, each as an array of its own. */
export async function floatsOf(bytes: ArrayBuffer, ranges: readonly Range[]): Promise<Float32Array[]> {
  const all: Float32Array[] = [];
  let copied = 0;
  for (const { offset, bytes: length } of ranges) {
    copied += length;
    if (copied > PAUSE_BYTES) {
      await setImmediate();
      copied = length;
    }
    all.push(new Float32Array(bytes.slice(offset, offset + length)));
  }
  return all;
}
