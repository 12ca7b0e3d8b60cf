/** Data in the device's memory: the slots of a purpose hold samples while something runs. */
import type { Samples } from '../data/samples.js';
import type { Tensor } from '../data/tensor.js';
import { sameShape } from '../graph/shape.js';
import type { Session } from '../runtime/session.js';
import type { Engine } from './engine.js';
import type { BatchSpec } from './programs.js';
import type { ReportBlock } from './report.js';
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

/** The slots of a purpose, filled with one set of samples after the other. */
export class SampleSlots {
  private readonly allocated = new Map<number, Pick<Tensor, 'dtype' | 'shape'>>();

  constructor(
    private readonly session: Session,
    private readonly purpose: Purpose,
  ) {}

  async fill(samples: Samples): Promise<void> {
    const slots = samplesSlots(samples, this.purpose);
    const parts: [slot: number, tensor: Tensor, name: string][] = [
      ...samples.x.map((t, i) => [slots.x[i]!, t, 'x'] as [number, Tensor, string]),
      ...samples.y.map((t, i) => [slots.y[i]!, t, 'y'] as [number, Tensor, string]),
      ...samples.weights.flatMap((t, i) => (t ? [[slots.weights[i]!, t, 'sampleWeight'] as [number, Tensor, string]] : [])),
    ];
    await Promise.all(parts.map(([slot, tensor]) => this.allocate(slot, tensor)));
    for (const [slot, tensor, name] of parts) await this.session.writeSlot(slot, tensor, name);
  }

  private async allocate(slot: number, tensor: Tensor): Promise<void> {
    const before = this.allocated.get(slot);
    if (before?.dtype === tensor.dtype && sameShape(before.shape, tensor.shape)) return;
    this.allocated.set(slot, { dtype: tensor.dtype, shape: tensor.shape });
    await this.session.allocateSlot(slot, tensor);
  }

  async release(): Promise<void> {
    await Promise.allSettled([...this.allocated.keys()].map((slot) => this.session.releaseSlot(slot)));
    this.allocated.clear();
  }
}

/** Copies samples into the slots of a purpose while `body` runs. */
export async function withSamples<T>(
  { session }: Engine,
  samples: Samples,
  purpose: Purpose,
  body: () => Promise<T>,
): Promise<T> {
  const slots = new SampleSlots(session, purpose);
  try {
    await slots.fill(samples);
    return await body();
  } finally {
    await slots.release();
  }
}

/** The next step reads from the first row of the slots again. */
export async function rewind({ session, memory }: Engine, report: ReportBlock): Promise<void> {
  await session.write(memory.layout.offsetOf(report.state) + 4, new Int32Array([0]));
}
