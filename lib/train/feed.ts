/**
 * Chunks of a stream in the slots of a purpose, one after the other: while steps run on one, the next is made and copied to
 * the device.
 */
import type { SampleSlots } from './resident.js';
import type { Chunk } from './stream.js';

export class Feed {
  private coming: Promise<Chunk | undefined> | undefined;

  constructor(
    private readonly chunks: AsyncGenerator<Chunk, void, undefined>,
    private readonly slots: SampleSlots,
  ) {}

  /** Begins with the next chunk; call it when steps on the one before are under way. A failure is met by `take`. */
  prepare(): void {
    if (this.coming) return;
    this.coming = this.stage();
    this.coming.catch(() => undefined);
  }

  private async stage(): Promise<Chunk | undefined> {
    const { value } = await this.chunks.next();
    if (!value) return undefined;
    await this.slots.stage(value.samples);
    return value;
  }

  /** The next chunk, which lies in the slots from now on; undefined at the end. No step may be running. */
  async take(): Promise<Chunk | undefined> {
    this.prepare();
    const chunk = await this.coming;
    this.coming = undefined;
    if (chunk) await this.slots.turn();
    return chunk;
  }

  /** Leaves the rest of the stream. */
  async close(): Promise<void> {
    await this.chunks.return();
    await this.coming?.catch(() => undefined);
  }
}
