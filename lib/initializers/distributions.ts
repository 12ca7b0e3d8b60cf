/** The distributions that initializers draw from. */
import type { Sampler } from './initializer.js';

/** Evenly from `low` to `high`. */
export function uniform(low: number, high: number): Sampler {
  const [middle, half] = [(low + high) / 2, (high - low) / 2];
  return (random) => middle + half * (2 * random.uniform() - 1);
}

/** Normal. */
export function normal(mean: number, deviation: number): Sampler {
  return (random) => mean + deviation * random.normal();
}

/** Normal with everything beyond two deviations drawn again; what remains has 0.8796 times the deviation. */
export function truncatedNormal(mean: number, deviation: number): Sampler {
  return (random) => {
    let z = random.normal();
    while (Math.abs(z) >= 2) z = random.normal();
    return mean + deviation * z;
  };
}

/** Standard deviation of the standard normal distribution cut off at ±2. */
export const TRUNCATED_DEVIATION = 0.87962566103423978;
