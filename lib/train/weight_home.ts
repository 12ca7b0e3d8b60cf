/**
 * Where the numbers of a weight are. A weight belongs to its layer, so models in which the same layer stands share it:
 * its home knows who has the newest numbers (an engine, or the host), and an engine that lacks them fetches them before
 * it runs.
 */
import type { Layer } from '../layers/layer.js';
import type { PlacedWeight } from './network.js';

/** Who can have a weight's numbers in its memory. */
export interface WeightHolder {
  readWeight(home: WeightHome): Promise<Float32Array>;
}

export class WeightHome {
  /** Grows whenever the numbers change. */
  version = 0;
  /** How many models that are in use it belongs to. */
  users = 0;
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

  /** The newest numbers. */
  async read(): Promise<Float32Array> {
    return this.holder ? this.holder.readWeight(this) : this.host!;
  }

  /** The numbers are now these, on the host. */
  set(values: Promise<Float32Array>): void {
    this.host = values;
    this.holder = undefined;
    this.version++;
  }

  /** The same numbers, now on the host as well: their holder is about to go. */
  keep(values: Float32Array): void {
    this.host = Promise.resolve(values);
    this.holder = undefined;
  }

  /** The holder has the numbers, or is about to change them. */
  take(holder: WeightHolder, changes: boolean): void {
    this.holder = holder;
    this.host = undefined;
    if (changes) this.version++;
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
