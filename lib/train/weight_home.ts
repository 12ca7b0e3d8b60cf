/**
 * Where the numbers of a weight are. A weight belongs to its layer, so models in which the same layer stands share it:
 * its home knows who has the newest numbers (an engine, or the host), and an engine that lacks them fetches them before
 * it runs.
 */
import { GradstepError } from '../errors.js';
import type { Layer } from '../layers/layer.js';
import type { PlacedWeight } from './network.js';

/** Who can have a weight's numbers in its memory. */
export interface WeightHolder {
  readWeight(home: WeightHome): Promise<Float32Array>;
}

/** Makes numbers; it fails as soon as nobody wants them any more. */
export type FirstNumbers = (isWanted: () => boolean) => Promise<Float32Array>;

export class WeightHome {
  /** Grows whenever the numbers change. */
  version = 0;
  /** Who is changing the numbers step by step at this moment. */
  private changer: object | undefined;
  private host: Promise<Float32Array> | undefined;
  private holder: WeightHolder | undefined;
  /** Makes the first numbers. */
  private first: FirstNumbers | undefined;
  /** Of those who wait for numbers on the host: whether they still do. */
  private readonly readers = new Set<() => boolean>();

  /** Whether this holder has the newest numbers, and it alone. */
  isHeldBy(holder: WeightHolder): boolean {
    return this.holder === holder;
  }

  get isOnHost(): boolean {
    return this.holder === undefined;
  }

  get isEmpty(): boolean {
    return !this.host && !this.holder && !this.first;
  }

  /** Whether somebody else than `reader` changes the numbers at this moment: what is read is old soon. */
  isChanging(reader: object): boolean {
    return this.changer !== undefined && this.changer !== reader;
  }

  /** Throws ERR_BUSY while somebody else than `owner` changes the numbers. */
  checkFree(owner: object, what: string): void {
    if (!this.isChanging(owner)) return;
    throw new GradstepError('ERR_BUSY', `Weights that ${what} would change are being trained by another model or function`);
  }

  /** The newest numbers. First ones are made as long as one of those who wait for them wants them. */
  async read(isWanted: () => boolean = () => true): Promise<Float32Array> {
    for (;;) {
      const { holder } = this;
      if (!holder) return this.readHost(isWanted);
      try {
        return await holder.readWeight(this);
      } catch (error) {
        // A holder that goes meanwhile has left the numbers on the host.
        if (this.holder === holder) throw error;
      }
    }
  }

  private async readHost(isWanted: () => boolean): Promise<Float32Array> {
    const { readers } = this;
    readers.add(isWanted);
    const host = (this.host ??= this.first!(() => [...readers].some((wants) => wants())));
    try {
      return await host;
    } catch (error) {
      // Whoever comes next has them made anew.
      if (this.first && this.host === host) this.host = undefined;
      throw error;
    } finally {
      readers.delete(isWanted);
    }
  }

  /** The numbers will be those that `first` makes, as soon as somebody reads them. */
  begin(first: FirstNumbers): void {
    this.first = first;
    this.version++;
  }

  /** The numbers are now these, on the host. */
  set(values: Promise<Float32Array>): void {
    // Whoever reads them hears of a failure.
    values.catch(() => undefined);
    this.host = values;
    this.holder = undefined;
    this.first = undefined;
    this.version++;
  }

  /** The holder's numbers, now on the host: it is about to go. Others may have older ones that it was changing. */
  keep(values: Float32Array): void {
    this.host = Promise.resolve(values);
    this.holder = undefined;
    if (this.changer) this.version++;
  }

  /** The holder has the numbers, or is about to change them. */
  take(holder: WeightHolder, changes: boolean): void {
    this.holder = holder;
    this.host = undefined;
    this.first = undefined;
    if (changes) this.version++;
  }
}

/** The numbers of those of these weights that somebody holds, of one moment: between two steps of whoever trains them. */
export async function readHeld(homes: readonly WeightHome[]): Promise<ReadonlyMap<WeightHome, Float32Array>> {
  const held = homes.filter((home) => !home.isOnHost);
  // Nothing comes between reads that are asked for together.
  const values = await Promise.all(held.map((home) => home.read()));
  return new Map(held.map((home, i) => [home, values[i]!]));
}

/** Keeps others from changing these weights while `body` runs. ERR_BUSY when somebody else does. */
export async function whileChanging<T>(
  homes: readonly WeightHome[],
  owner: object,
  what: string,
  body: () => Promise<T>,
): Promise<T> {
  for (const home of homes) home.checkFree(owner, what);
  for (const home of homes) home['changer'] = owner;
  try {
    return await body();
  } finally {
    for (const home of homes) home['changer'] = undefined;
  }
}

const homes = new WeakMap<Layer, Map<string, WeightHome>>();

export function homeOf({ owner }: Pick<PlacedWeight, 'owner'>): WeightHome {
  let ofLayer = homes.get(owner.layer);
  if (!ofLayer) homes.set(owner.layer, (ofLayer = new Map()));
  let home = ofLayer.get(owner.role);
  if (!home) ofLayer.set(owner.role, (home = new WeightHome()));
  return home;
}
