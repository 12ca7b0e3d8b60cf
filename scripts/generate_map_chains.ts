/**
 * Writes native/generated/map_chains.cuh: the chains of scalar functions that CUDA runs as compiled kernels, from the
 * tapes in scripts/map_chains.json. A chain is found by its tape, whatever the values of its immediates, so operands
 * stand exactly as lowering orders them. Every other tape is interpreted; results are the same. Run it with
 * `npx tsx scripts/generate_map_chains.ts`.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { IMMEDIATE, REGISTER } from '../lib/ops/map.js';
import { ARITIES, SCALAR_NAMES, type ScalarName } from '../lib/ops/scalar_table.js';
import { writeChanged } from './write_changed.js';

/** One row of the list. Operands are `in0`…, `r0`… (results of instructions) and `c0`… (immediates). */
interface Chain {
  readonly name: string;
  readonly code: readonly (readonly [ScalarName, ...string[]])[];
  readonly results: readonly string[];
}

const list = new URL('map_chains.json', import.meta.url);
const target = fileURLToPath(new URL('../native/generated/map_chains.cuh', import.meta.url));

const snake = (name: string): string => name.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`);

function operandCode(operand: string): number {
  const [, kind, digits] = /^(in|r|c)(\d+)$/.exec(operand) ?? [];
  if (!kind) throw new Error(`Expected an operand like in0, r0 or c0 but found ${operand}`);
  return { in: 0, r: REGISTER, c: IMMEDIATE }[kind as 'in' | 'r' | 'c'] + Number(digits);
}

/** What a tape computes: instruction count, result count, functions with as many operands as they take, results. */
function tapeKey({ code, results }: Chain): string {
  const bytes = [code.length, results.length];
  for (const [fn, ...operands] of code) bytes.push(SCALAR_NAMES.indexOf(fn), ...operands.map(operandCode));
  return [...bytes, ...results.map(operandCode)].join(', ');
}

function check({ name, code, results }: Chain): void {
  if (!/^[A-Z][A-Za-z0-9]*$/.test(name)) throw new Error(`Expected a name like ReluGradient but found ${name}`);
  code.forEach(([fn, ...operands], i) => {
    if (ARITIES[fn] !== operands.length) throw new Error(`${name}: ${fn} does not take ${operands.length} operands`);
    for (const operand of operands) {
      const at = operandCode(operand);
      if (at >= REGISTER && at < IMMEDIATE && at >= REGISTER + i)
        throw new Error(`${name}: ${operand} is read before it is made`);
    }
  });
  if (results.length === 0) throw new Error(`${name} has no result`);
}

function formula(chain: Chain): string {
  const operands = [...chain.code.flatMap(([, ...o]) => o), ...chain.results];
  const inputs = 1 + Math.max(-1, ...operands.filter((o) => o.startsWith('in')).map((o) => Number(o.slice(2))));
  const expression = (o: string): string => o.replace(/^(in|c)(\d+)$/, '$1[$2]');
  const usesInputs = inputs > 0;
  const usesImmediates = operands.some((o) => o.startsWith('c'));
  const lines = [
    ...chain.code.map(([fn, ...o], i) => `const float r${i} = scalar::${snake(fn)}(${o.map(expression).join(', ')});`),
    ...chain.results.map((o, i) => `out[${i}] = ${expression(o)};`),
  ];
  return `struct ${chain.name} {
  static constexpr uint8_t kTape[] = {${tapeKey(chain)}};
  static constexpr int kInputs = ${inputs}, kOutputs = ${chain.results.length};
  static __device__ void apply(const float (&${usesInputs ? 'in' : ''})[kMapInputs], const float (&${usesImmediates ? 'c' : ''})[kTapeImmediates], float (&out)[kMapOutputs]) {
${lines.map((l) => `    ${l}`).join('\n')}
  }
};`;
}

function header(chains: readonly Chain[]): string {
  return `// Generated from scripts/map_chains.json by scripts/generate_map_chains.ts. Do not edit: change the list and run it again.
// clang-format off
#pragma once

#include "generated/args/map.h"
#include "ops/scalar.h"

namespace gradstep::cuda::map_chains {

${chains.map(formula).join('\n\n')}

}  // namespace gradstep::cuda::map_chains

// X(formula) for every chain; kTape holds the key that native/ops/map.cu makes of a tape.
#define GRADSTEP_MAP_CHAINS(X) \\
${chains.map((c) => `  X(${c.name})`).join(' \\\n')}
`;
}

const chains = JSON.parse(readFileSync(list, 'utf8')) as Chain[];
chains.forEach(check);
for (const key of [(c: Chain) => c.name, tapeKey]) {
  const known = new Set<string>();
  for (const chain of chains) {
    if (known.has(key(chain))) throw new Error(`${chain.name} stands twice in the list`);
    known.add(key(chain));
  }
}
writeChanged(target, header(chains));
