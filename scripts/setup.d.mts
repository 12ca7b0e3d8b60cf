/** Types of scripts/setup.mjs, which is plain JavaScript because it runs before anything is installed. */
export interface LockFile {
  packages: Record<string, { version?: string; os?: string[]; cpu?: string[] }>;
}
export interface Requirement {
  package: string;
  groups: string[];
  command?: string | string[];
  header?: string;
  program?: string[];
}
export type Source = string | [path: string, ...endings: string[]];
export interface Build {
  name: string;
  title: string;
  groups: string[];
  targets: string[];
  options(): Record<string, string>;
  sources: Source[];
  outputs: string[];
  /** CMake's folder; `build` where it is not named. */
  folder?: string;
  /** The script that downloads what it is built with. */
  download?: string;
  /** Of CUDA plugins: compute capabilities. */
  architectures?: string[];
}
export const EVERY_ARCHITECTURE: readonly string[];
export const BUILDS: Build[];
export function dependenciesCurrent(lock: LockFile, installed: LockFile): boolean;
export function missingPackages(groups: string[], probe: (requirement: Requirement) => boolean): string[];
export function installAdvice(packages: string[]): string;
export function sourceHash(sources: Source[]): string;
export function setup(groups: string[]): Promise<void>;
