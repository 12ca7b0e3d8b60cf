/** Copies of parts of a large buffer, a few milliseconds of work at a time. */
import { setImmediate } from 'node:timers/promises';
import type { Range } from '../runtime/session.js';

/** Bytes copied between two looks at the event loop. */
const PAUSE_BYTES = 8 << 20;

/** The floats of a range, as an array of their own. */
export function copierOf(bytes: ArrayBuffer): (range: Range) => Promise<Float32Array> {
  let copied = 0;
  return async ({ offset, bytes: length }) => {
    copied += length;
    if (copied > PAUSE_BYTES) {
      await setImmediate();
      copied = length;
    }
    return new Float32Array(bytes.slice(offset, offset + length));
  };
}
