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

export class WeightHome {
  /** Grows whenever the numbers change. */
  version = 0;
  /** Who is changing the numbers step by step at this moment. */
  private changer: object | undefined;
  private host: Promise<Float32Array> | undefined;
  private holder: WeightHolder | undefined;

  /** Whether this holder has the newest numbers, and it alone. */
  isHeldBy(holder: WeightHolder): boolean {
    return this.holder === holder;
  }

  get isOnHost(): boolean {
    return this.holder === undefined;
  }

  get isEmpty(): boolean {
    return !this.host && !this.holder;
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

  /** The newest numbers. */
  async read(): Promise<Float32Array> {
    for (;;) {
      const { holder } = this;
      if (!holder) return this.host!;
      try {
        return await holder.readWeight(this);
      } catch (error) {
        // A holder that goes meanwhile has left the numbers on the host.
        if (this.holder === holder) throw error;
      }
    }
  }

  /** The numbers are now these, on the host. */
  set(values: Promise<Float32Array>): void {
    // Whoever reads them hears of a failure.
    values.catch(() => undefined);
    this.host = values;
    this.holder = undefined;
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
    if (changes) this.version++;
  }
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
