/**
 * A model of text that counts: the probability of a symbol after the `order − 1` before it, by interpolated Kneser-Ney smoothing
 * (Ney, Essen & Kneser 1994; Chen & Goodman 1999). It is what a network has to beat: it has no parameters to tune, and it is
 * good with little text. Each count gives up a discount D, which pays for what was never seen there, in the proportions of the
 * model of one symbol less:
 *   p(s | c) = (max(N(c s) − D, 0) + D·T(c)·p(s | c without its first)) / N(c),   T(c) = kinds of symbols seen after c.
 * N counts occurrences for the longest context, and for shorter ones the kinds of symbols that came before `c s`.
 */

/** What followed one context. */
interface Followers {
  total: number;
  readonly counts: Map<number, number>;
}

export class Ngram {
  /** Place k is for contexts of k symbols, by their number (a numeral of base `symbols`). */
  private readonly followers: Map<number, Followers>[] = [];
  private readonly discounts: number[] = [];

  /**
   * Counts a text of symbols 0 … symbols − 1.
   * @param order symbols of a context and the one after it, with symbols^order below 2^53
   */
  constructor(
    text: ArrayLike<number>,
    private readonly order: number,
    private readonly symbols: number,
  ) {
    if (symbols ** order >= 2 ** 53) throw new Error(`Expected less than 2^53 sequences but received ${symbols}^${order}`);
    let counts = new Map<number, number>();
    for (let i = 0; i + order <= text.length; i++) {
      let sequence = 0;
      for (let k = 0; k < order; k++) sequence = sequence * symbols + text[i + k]!;
      counts.set(sequence, (counts.get(sequence) ?? 0) + 1);
    }
    for (let context = order - 1; context >= 0; context--) {
      this.discounts[context] = discountOf(counts.values());
      this.followers[context] = byContext(counts, symbols);
      // Without their first symbols: how many kinds of it there were is the count one order below.
      const shorter = new Map<number, number>();
      for (const sequence of counts.keys()) {
        const rest = sequence % symbols ** context;
        shorter.set(rest, (shorter.get(rest) ?? 0) + 1);
      }
      counts = shorter;
    }
  }

  /** p(text[at] | what stands before it in the text, as far as the order reaches), in (0, 1). */
  probability(text: ArrayLike<number>, at: number): number {
    let probability = 1 / this.symbols;
    let context = 0;
    for (let length = 0; length < this.order && length <= at; length++) {
      if (length > 0) context += text[at - length]! * this.symbols ** (length - 1);
      const found = this.followers[length]!.get(context);
      if (!found) break;
      const discount = this.discounts[length]!;
      const seen = Math.max((found.counts.get(text[at]!) ?? 0) - discount, 0);
      probability = (seen + discount * found.counts.size * probability) / found.total;
    }
    return probability;
  }

  /** Mean of −log₂ p over all symbols of the texts but the first of each, which nothing stands before. */
  bits(texts: readonly ArrayLike<number>[]): number {
    let [bits, predicted] = [0, 0];
    for (const text of texts) {
      for (let i = 1; i < text.length; i++) bits -= Math.log2(this.probability(text, i));
      predicted += text.length - 1;
    }
    return bits / predicted;
  }
}

/** Counts of sequences as what followed their contexts. */
function byContext(counts: ReadonlyMap<number, number>, symbols: number): Map<number, Followers> {
  const followers = new Map<number, Followers>();
  for (const [sequence, count] of counts) {
    const context = Math.floor(sequence / symbols);
    let found = followers.get(context);
    if (!found) followers.set(context, (found = { total: 0, counts: new Map() }));
    found.counts.set(sequence % symbols, count);
    found.total += count;
  }
  return followers;
}

/** D = n₁ / (n₁ + 2·n₂) for n₁ sequences seen once and n₂ seen twice; 0.5 where there are none of either. */
function discountOf(counts: Iterable<number>): number {
  let [once, twice] = [0, 0];
  for (const count of counts) {
    if (count === 1) once++;
    if (count === 2) twice++;
  }
  return once + twice === 0 ? 0.5 : once / (once + 2 * twice);
}
