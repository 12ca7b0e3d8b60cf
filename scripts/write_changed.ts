/** Writes a generated file where it says something else: what is compiled from a file is compiled again when it is written. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';

export function writeChanged(path: string, text: string): void {
  if (existsSync(path) && readFileSync(path, 'utf8') === text) return;
  writeFileSync(path, text);
}
