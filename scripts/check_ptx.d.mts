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
  /** Loads by the read-only cache. */
  readOnly: number;
  /** Bytes of a kernel's parameters. */
  parameters?: number;
  /** The most that a kernel's block may have; 0: open. */
  threads?: number;
}
export function functionsOf(ptx: string): PtxFunction[];
export function complaints(
  functions: PtxFunction[],
  multiplies?: Record<string, string>,
  later?: Record<string, number>,
): string[];
export function readPtx(folder: string): PtxFunction[];
