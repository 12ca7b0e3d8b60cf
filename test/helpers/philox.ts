/** Philox4x32-10 in big integers, from the paper's definition: the reference for masks and permutations. */

const M = [0xd2511f53n, 0xcd9e8d57n] as const;
const W = [0x9e3779b9n, 0xbb67ae85n] as const;
const LOW = 0xffffffffn;

export function philox4x32(counter: readonly number[], key: readonly number[]): number[] {
  let c = counter.map((v) => BigInt(v >>> 0));
  let k = key.map((v) => BigInt(v >>> 0));
  for (let round = 0; round < 10; round++) {
    const p0 = M[0] * c[0]!;
    const p1 = M[1] * c[2]!;
    c = [(p1 >> 32n) ^ c[1]! ^ k[0]!, p1 & LOW, (p0 >> 32n) ^ c[3]! ^ k[1]!, p0 & LOW];
    k = [(k[0]! + W[0]) & LOW, (k[1]! + W[1]) & LOW];
  }
  return c.map(Number);
}
