/** Types of scripts/stages.mjs. */
export interface StageResult {
  stage: string;
  /** What was found, in a few words. */
  found: string;
  seconds: number;
  /** Why it failed. */
  error?: string;
  /** Tests that passed. */
  passed?: number;
  /** The bench's table. */
  table?: string;
}
export interface Stage {
  name: string;
  run(log: string): string | Partial<StageResult> | Promise<string | Partial<StageResult>>;
}
export function testsOf(output: string): { passed: number; failed: number; skipped: number };
export function execute(
  command: readonly string[],
  options: { log: string; env?: Record<string, string>; seconds?: number },
): Promise<{ failure: string; output: string }>;
export function runStages(
  title: string,
  stages: readonly Stage[],
  folder: string,
  keep?: (soFar: readonly StageResult[]) => void,
): Promise<StageResult[]>;
export function stageTable(results: readonly StageResult[]): string;
