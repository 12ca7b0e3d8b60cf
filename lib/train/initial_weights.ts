/** First values of a network's weights, in the order and with the gaps of its parameter block. */
import { setImmediate } from 'node:timers/promises';
import { sizeOf } from '../graph/shape.js';
import { RandomStream, streamOf } from '../random.js';
import { blockOffsets } from '../runtime/layout.js';
import type { Network } from './network.js';

/** Elements made between two looks at the event loop: a few milliseconds of work. */
const SLICE = 1 << 15;

export async function initialWeights(network: Network, seed: number): Promise<Float32Array> {
  const { offsets, bytes } = blockOffsets(network.weights);
  const block = new Float32Array(bytes / 4);
  for (const [i, { name, shape, initializer }] of network.weights.entries()) {
    const start = offsets[i]! / 4;
    const random = new RandomStream(seed, streamOf(name));
    const sample = initializer.sampler(shape);
    for (let k = 0; k < sizeOf(shape); k++) {
      block[start + k] = sample(random);
      if (k % SLICE === SLICE - 1) await setImmediate();
    }
  }
  return block;
}
