/**
 * Text from a model of characters, one at a time: the layers of a model that was trained on whole windows, put together again
 * for windows of one character whose states come in and go out. The weights are the layers', so nothing is copied.
 */
import * as gs from '../lib/index.js';
import { ALPHABET, encode } from './licence_texts.js';
import type { Random } from './random.js';

export class CharGenerator {
  private readonly step: gs.Model;
  /** h and c of both layers, for one row. */
  private states: gs.Tensor[];

  /** @param trained a model as `examples/char_lm.ts` makes it: layers `characters`, `lower`, `upper` and `next` */
  constructor(trained: gs.Model, units: number) {
    const character = gs.input({ shape: [1], dtype: 'int32', name: 'character' });
    const before = ['lower_h', 'lower_c', 'upper_h', 'upper_c'].map((name) => gs.input({ shape: [units], name }));
    const embedded = trained.getLayer('characters').apply(character);
    const [lower, ...lowerAfter] = trained.getLayer('lower').applyAll([embedded, ...before.slice(0, 2)]);
    const [upper, ...upperAfter] = trained.getLayer('upper').applyAll([lower!, ...before.slice(2)]);
    const next = trained.getLayer('next').apply(upper!);
    this.step = gs.model({ inputs: [character, ...before], outputs: [next, ...lowerAfter, ...upperAfter] });
    this.states = before.map(() => gs.tensor(new Float32Array(units), [1, units]));
  }

  /** Reads one more character: the probabilities [ALPHABET.length] of the one after it. */
  async read(character: number): Promise<Float32Array> {
    const [next, ...states] = await this.step.predictAll([gs.tensor(Int32Array.of(character), [1, 1]), ...this.states]);
    this.states = states;
    return next!.data as Float32Array;
  }

  /**
   * Goes on where the prompt ends, by so many characters.
   * @param temperature exponent 1 / temperature of the probabilities: below 1 the likely gets likelier
   */
  async write(prompt: string, characters: number, temperature: number, random: Random): Promise<string> {
    let probabilities: Float32Array | undefined;
    for (const character of encode(prompt)) probabilities = await this.read(character);
    if (!probabilities) throw new Error('Expected a prompt of at least one character');
    let text = '';
    while (text.length < characters) {
      const character = draw(probabilities, temperature, random);
      text += ALPHABET[character]!;
      probabilities = await this.read(character);
    }
    return text;
  }

  [Symbol.dispose](): void {
    this.step[Symbol.dispose]();
  }
}

/** A place drawn with probability ∝ p^(1 / temperature). */
function draw(probabilities: Float32Array, temperature: number, random: Random): number {
  const largest = Math.max(...probabilities);
  const weights = Array.from(probabilities, (p) => (p / largest) ** (1 / temperature));
  let left = random.uniform() * weights.reduce((a, b) => a + b, 0);
  const place = weights.findIndex((weight) => (left -= weight) < 0);
  return place < 0 ? probabilities.indexOf(largest) : place;
}
