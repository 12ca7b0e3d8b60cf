/** Types of scripts/gpu_report.mjs. */
import type { StageResult } from './stages.mjs';
export type Gpu = Record<
  | 'name'
  | 'driver'
  | 'capability'
  | 'memoryMiB'
  | 'smClockMHz'
  | 'memoryClockMHz'
  | 'highestSmClockMHz'
  | 'highestMemoryClockMHz'
  | 'powerLimitW',
  string
>;
export interface Report {
  date: string;
  command: string;
  device: string;
  gpu: Gpu;
  cuda: string;
  cudnn: string;
  smClockAfterMHz: string;
  stages: StageResult[];
}
export const QUERY: Gpu;
export function gpuOf(csv: string): Gpu | undefined;
export function reportName(gpuName: string, date: Date): string;
export function sanitizerFindings(output: string): { errors: number; first: string[] };
export function cudnnVersion(text: string): string;
export function convolutionsOf(choices: string): { what: string; way: string }[];
export function markdownOf(report: Report): string;
