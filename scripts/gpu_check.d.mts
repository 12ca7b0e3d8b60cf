/** Types of scripts/gpu_check.mjs. */
export const STAGES: readonly string[];
export function stagesOf(text: string): string[];
