/** Data in the device's memory: the slots of a purpose hold samples while something runs. */
import type { Samples } from '../data/samples.js';
import type { Tensor } from '../data/tensor.js';
import { DTYPES } from '../graph/dtype.js';
import { sameShape, sizeOf } from '../graph/shape.js';
import { spareOf, type HandedOver, type Session } from '../runtime/session.js';
import type { Engine } from './engine.js';
import type { BatchSpec } from './programs.js';
import type { ReportBlock } from './report.js';
import { slotsOf, type Purpose, type Slots } from './slots.js';

/** What a program must know of samples. */
export function batchOf({ x, y, weights }: Samples): Pick<BatchSpec, 'x' | 'y'> {
  return {
    x: x.map((t) => ({ dtype: t.dtype, row: t.shape.slice(1) })),
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

/** What a slot has room for. */
type Room = Pick<Tensor, 'dtype' | 'shape'>;

/** Room of so many bytes stays when nobody uses it, so that calls with few rows need not make it anew. */
const KEPT_BYTES = 4 << 20;

/** The slots of a purpose, filled with one set of samples after the other, by one user at a time. */
export class SampleSlots {
  /** What slots and spares have room for. */
  private readonly allocated = new Map<number, Room>();
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

  /** Hands samples over to the slots: steps that are asked for next find them there. */
  fill(samples: Samples): Promise<HandedOver> {
    return this.write(this.partsOf(samples));
  }

  /** Copies samples beside what the slots hold, which steps may be reading. */
  async stage(samples: Samples): Promise<void> {
    const parts = this.partsOf(samples);
    const { copied } = await this.write(parts.map((part) => ({ ...part, slot: spareOf(part.slot) })));
    await copied;
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

  private async write(parts: readonly Part[]): Promise<HandedOver> {
    await this.allocate(parts.map(({ slot, tensor }) => [slot, tensor] as const));
    const handed: HandedOver[] = [];
    for (const { slot, tensor, name } of parts) handed.push(await this.session.handOverSlot(slot, tensor, name));
    return { copied: Promise.all(handed.map(({ copied }) => copied)) };
  }

  /** Makes room where there is too little; a slot may be longer than what it holds. */
  async allocate(rooms: readonly (readonly [slot: number, Room])[]): Promise<void> {
    const missing = rooms.filter(([slot, room]) => !fits(room, this.allocated.get(slot)));
    if (missing.length > 0) await Promise.all(missing.map(([slot, room]) => this.make(slot, room)));
  }

  private async make(slot: number, room: Room): Promise<void> {
    this.allocated.set(slot, room);
    try {
      await this.session.allocateSlot(slot, room);
    } catch (error) {
      await this.release([slot]);
      throw error;
    }
  }

  /** Gives back what takes much memory. */
  async leave(): Promise<void> {
    this.staged = [];
    const large = [...this.allocated].filter(([, { dtype, shape }]) => DTYPES[dtype].bytes * sizeOf(shape) > KEPT_BYTES);
    if (large.length > 0) await this.release(large.map(([slot]) => slot));
  }

  private async release(slots: readonly number[]): Promise<void> {
    for (const slot of slots) this.allocated.delete(slot);
    await Promise.allSettled(slots.map((slot) => this.session.releaseSlot(slot)));
  }
}

function fits({ dtype, shape }: Room, room: Room | undefined): boolean {
  return room?.dtype === dtype && room.shape[0]! >= shape[0]! && sameShape(room.shape.slice(1), shape.slice(1));
}

/** Has samples in the slots of a purpose while `body` runs. */
export async function withSamples<T>(engine: Engine, samples: Samples, purpose: Purpose, body: () => Promise<T>): Promise<T> {
  const slots = engine.slots(purpose);
  try {
    const { copied } = await slots.fill(samples);
    const [result] = await Promise.all([body(), copied]);
    return result;
  } finally {
    await slots.leave();
  }
}

/** The next step reads from a row of the slots on. */
export async function rewind({ session, memory }: Engine, report: ReportBlock, row = 0): Promise<void> {
  await session.write(memory.layout.offsetOf(report.state) + 4, new Int32Array([row]));
}
