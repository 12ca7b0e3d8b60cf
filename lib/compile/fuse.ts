/**
 * Fusion: rewrites that save passes over memory. Instructions keep their order; each rewrite replaces some by fewer.
 * In turn: relu into the matmul or convolution before it; relu's backward moved behind max-pooling's (onto the smaller
 * tensor); chains of maps into one; a row sum into the map before it; a sum of gradients into the kernel that can add.
 */
import { accumulateSums } from './fuse_accumulate.js';
import { fuseMaps, fuseRowSums } from './fuse_maps.js';
import { reluBehindMaxPool, reluEpilogues } from './fuse_relu.js';
import type { Instruction } from './program.js';

export function fuse(instructions: readonly Instruction[]): Instruction[] {
  let list = [...instructions];
  for (const pass of [reluEpilogues, reluBehindMaxPool, accumulateSums, fuseMaps, fuseRowSums]) list = pass(list);
  return list;
}
