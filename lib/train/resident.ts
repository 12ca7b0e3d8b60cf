/** Data in the device's memory: the slots of a purpose hold samples while something runs. */
import type { Samples } from '../data/samples.js';
import type { Tensor } from '../data/tensor.js';
import type { Engine } from './engine.js';
import type { BatchSpec } from './programs.js';
import { slotsOf, type Purpose, type Slots } from './slots.js';

/** What a program must know of samples. */
export function batchOf({ x, y, weights }: Samples): Pick<BatchSpec, 'x' | 'y'> {
  return {
    x: x.map((t) => t.dtype),
    y: y.map((t, i) => ({ dtype: t.dtype, row: t.shape.slice(1), weights: weights[i]?.shape.slice(1) })),
  };
}

export function samplesSlots({ x, y }: Samples, purpose: Purpose): Slots {
  return slotsOf(purpose, x.length, y.length);
}

/** Copies samples into the slots of a purpose while `body` runs. */
export async function withSamples<T>(
  { session }: Engine,
  samples: Samples,
  purpose: Purpose,
  body: () => Promise<T>,
): Promise<T> {
  const slots = samplesSlots(samples, purpose);
  const parts: [slot: number, tensor: Tensor, name: string][] = [
    ...samples.x.map((t, i) => [slots.x[i]!, t, 'x'] as [number, Tensor, string]),
    ...samples.y.map((t, i) => [slots.y[i]!, t, 'y'] as [number, Tensor, string]),
    ...samples.weights.flatMap((t, i) => (t ? [[slots.weights[i]!, t, 'sampleWeight'] as [number, Tensor, string]] : [])),
  ];
  try {
    await Promise.all(parts.map(([slot, tensor]) => session.allocateSlot(slot, tensor)));
    for (const [slot, tensor, name] of parts) await session.writeSlot(slot, tensor, name);
    return await body();
  } finally {
    await Promise.allSettled(parts.map(([slot]) => session.releaseSlot(slot)));
  }
}
