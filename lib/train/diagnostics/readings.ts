/**
 * Numbers that a watched step leaves for JavaScript: each watched program has a block of scalars at the end of the model's
 * memory, under the program's key, made when the program is first described, so a model that is not watched has none. A block is read at once.
 */
import { assign } from '../../compile/lower.js';
import type { Value } from '../../graph/graph.js';
import { reshape } from '../../ops/reshape.js';
import type { Block, Layout, Member } from '../../runtime/layout.js';
import type { Range } from '../../runtime/session.js';

/** What a unit's results tell, of the activations whose units can be lost. */
export type ActivationKind = 'relu' | 'sigmoid' | 'tanh';

/** What a scalar says. A norm is stored as the largest magnitude m and Σ (x/m)², which neither overflows nor vanishes. */
export type Reading =
  | { readonly what: 'loss' }
  | {
      readonly what: 'gradient' | 'weight' | 'update';
      /** Number of the trained weight. */
      readonly index: number;
      readonly part: 'largest' | 'squares';
    }
  | {
      /** Share of dead (relu) or saturated units. */
      readonly what: 'activity';
      readonly kind: ActivationKind;
      readonly layer: string;
      readonly units: number;
      /** Whether these are results of the model. */
      readonly isOutput: boolean;
    }
  | {
      /** How many elements of a result, or of a weight, are not finite. */
      readonly what: 'notFinite';
      readonly op: string;
      readonly layer: string;
      readonly where: 'weight' | 'forward' | 'backward';
    };

export interface Measured {
  readonly reading: Reading;
  readonly value: number;
}

interface Kept {
  readonly block: Block;
  readonly readings: readonly Reading[];
}

export class ReadingMemory {
  private readonly kept = new Map<string, Kept>();
  private copy: Block | undefined;

  constructor(
    private readonly layout: Layout,
    private readonly trained: readonly Member[],
  ) {}

  /** Memory for the parameters as they were before an update. */
  get before(): Block {
    return (this.copy ??= this.layout.block('diagnosis/before', this.trained));
  }

  /** At the end of the step the scalars lie in the block of that name. */
  keep(name: string, found: readonly { readonly reading: Reading; readonly value: Value }[]): void {
    const readings = found.map((f) => f.reading);
    const before = this.kept.get(name);
    const members = found.map((_, i) => ({ name: `diagnosis/${name}/${i}`, shape: [] }));
    const block = before?.readings.length === found.length ? before.block : this.layout.block(`diagnosis/${name}`, members);
    this.kept.set(name, { block, readings });
    found.forEach(({ value }, i) => assign(block.members[i]!, reshape(value, [])));
  }

  rangeOf(name: string): Range {
    const { whole } = this.kept.get(name)!.block;
    return { offset: this.layout.offsetOf(whole), bytes: 4 * whole.shape[0]! };
  }

  /** What a block's bytes say. */
  parse(name: string, bytes: ArrayBuffer): Measured[] {
    const { block, readings } = this.kept.get(name)!;
    return readings.map((reading, i) => ({ reading, value: new Float32Array(bytes, block.offsets[i], 1)[0]! }));
  }
}
