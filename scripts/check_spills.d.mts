/** Types of scripts/check_spills.mjs. */
export interface Kernel {
  /** Mangled. */
  name: string;
  /** `sm_90`. */
  architecture: string;
  /** Bytes of local memory. */
  stack: number;
  /** Bytes of spill stores and loads. */
  spilled: number;
  registers: number;
}
export function kernelsOf(log: string): Kernel[];
export function complaints(kernels: Kernel[], allowed?: Record<string, string>): string[];
export function missing(kernels: Kernel[], architectures: readonly string[]): string[];
export function readLogs(folder: string): Kernel[];
