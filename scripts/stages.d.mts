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
export function execute(
  command: readonly string[],
  options: { log: string; append?: boolean; env?: Record<string, string>; seconds?: number },
): Promise<{ failure: string; output: string }>;
export function ask(
  command: string,
  args: readonly string[],
  options?: { seconds?: number; cwd?: string },
): Promise<string | undefined>;
export function runStages(
  title: string,
  stages: readonly Stage[],
  folder: string,
  keep?: (soFar: readonly StageResult[]) => unknown,
): Promise<StageResult[]>;
export function stageTable(results: readonly StageResult[]): string;
