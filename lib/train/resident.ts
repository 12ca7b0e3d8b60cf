/** Data in the device's memory: the slots of a purpose hold samples while something runs. */
import type { Samples } from '../data/samples.js';
import type { Tensor } from '../data/tensor.js';
import { sameShape } from '../graph/shape.js';
import { spareOf, type Session } from '../runtime/session.js';
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

/** One tensor of samples and where it goes. */
interface Part {
  readonly slot: number;
  readonly tensor: Tensor;
  readonly name: string;
}

/** The slots of a purpose, filled with one set of samples after the other. */
export class SampleSlots {
  /** What slots and spares have room for. */
  private readonly allocated = new Map<number, Pick<Tensor, 'dtype' | 'shape'>>();
  /** Slots whose spares hold what comes next. */
  private staged: readonly number[] = [];

  constructor(
    private readonly session: Session,
    private readonly purpose: Purpose,
  ) {}

  private partsOf(samples: Samples): Part[] {
    const slots = samplesSlots(samples, this.purpose);
    return [
      ...samples.x.map((tensor, i) => ({ slot: slots.x[i]!, tensor, name: 'x' })),
      ...samples.y.map((tensor, i) => ({ slot: slots.y[i]!, tensor, name: 'y' })),
      ...samples.weights.flatMap((tensor, i) => (tensor ? [{ slot: slots.weights[i]!, tensor, name: 'sampleWeight' }] : [])),
    ];
  }

  /** Copies samples into the slots. */
  fill(samples: Samples): Promise<void> {
    return this.write(this.partsOf(samples));
  }

  /** Copies samples beside what the slots hold, which steps may be reading. */
  async stage(samples: Samples): Promise<void> {
    const parts = this.partsOf(samples);
    await this.write(parts.map((part) => ({ ...part, slot: spareOf(part.slot) })));
    this.staged = parts.map((part) => part.slot);
  }

  /** The slots hold what was staged. */
  async turn(): Promise<void> {
    const { allocated, staged } = this;
    this.staged = [];
    for (const slot of staged) {
      const [now, next] = [allocated.get(slot), allocated.get(spareOf(slot))!];
      allocated.set(slot, next);
      if (now) allocated.set(spareOf(slot), now);
      else allocated.delete(spareOf(slot));
    }
    await Promise.all(staged.map((slot) => this.session.turnSlot(slot)));
  }

  /** The session does what it is asked for in that order: copies need not wait to hear that there is room. */
  private async write(parts: readonly Part[]): Promise<void> {
    await Promise.all([...parts.map(({ slot, tensor }) => this.allocate(slot, tensor)), this.copy(parts)]);
  }

  private async copy(parts: readonly Part[]): Promise<void> {
    for (const { slot, tensor, name } of parts) await this.session.writeSlot(slot, tensor, name);
  }

  /** Makes room; a slot may be longer than what it holds. */
  async allocate(slot: number, { dtype, shape }: Pick<Tensor, 'dtype' | 'shape'>): Promise<void> {
    const before = this.allocated.get(slot);
    const fits = before && before.shape[0]! >= shape[0]! && sameShape(before.shape.slice(1), shape.slice(1));
    if (fits && before.dtype === dtype) return;
    this.allocated.set(slot, { dtype, shape });
    await this.session.allocateSlot(slot, { dtype, shape });
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
