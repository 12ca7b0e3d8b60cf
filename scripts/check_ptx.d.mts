/** Types of scripts/check_ptx.mjs. */
export interface PtxFunction {
  /** Mangled. */
  name: string;
  /** `sm_80`. */
  architecture: string;
  /** Types that it multiplies on tensor cores: `bf16`, `tf32`. */
  operands: Set<string>;
  /** Lines that name local memory. */
  local: number;
}
export function functionsOf(ptx: string): PtxFunction[];
export function complaints(
  functions: PtxFunction[],
  multiplies?: Record<string, string>,
  later?: Record<string, number>,
): string[];
export function readPtx(folder: string): PtxFunction[];
