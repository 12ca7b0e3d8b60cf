/** Types of scripts/specs.mjs. */
export interface Outcome {
  passed: number;
  skipped: number;
  /** Tests that would have begun too late. */
  late: number;
  failures: { title: string; message: string; details: string }[];
  /** Tests that no process came to. */
  unreached: number;
  /** Specs that would have begun too late. */
  notBegun: string[];
  processes: number;
  output: string;
}
export interface Options {
  log: string;
  grep?: string;
  env?: Record<string, string>;
  limit?: number;
  watch?: readonly string[];
  testSeconds?: number;
}
export function runSpecs(specs: readonly string[], options: Options): Promise<Outcome>;
export function passSpecs(specs: readonly string[], options: Options): Promise<Outcome>;
export function countsOf(outcome: Outcome, limit?: number): string;
export function failuresOf(outcome: Outcome): string;
