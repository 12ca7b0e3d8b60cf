/** One measurement in a process of its own. */
import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import type { Failure, Outcome, Row } from './row.js';

/** What outlasts this is ended, in milliseconds. */
const LIMIT = 600_000;

/** What of a row the process that measures does not know. */
export type Known = Omit<Failure, 'cannot'>;

/** The last line of what a program said before it failed: where Python and Node.js put the reason. */
function reasonOf(errors: string): string {
  const lines = errors.split('\n').map((line) => line.trim());
  return lines.filter((line) => line !== '').at(-1) ?? 'it said nothing';
}

/** Runs a program that prints a row as its last line; `known` fills what the row leaves out, and all of it where it fails. */
export async function runChild(command: string, args: readonly string[], known: Known): Promise<Outcome> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], timeout: LIMIT });
  const ended = new Promise<string>((resolve) => {
    child
      .once('error', (error) => resolve(error.message))
      .once('close', (code, signal) =>
        resolve(signal ? `ended by ${signal} (limit: ${LIMIT / 1000} s)` : code === 0 ? '' : `exit code ${code}`),
      );
  });
  const [output, errors, failure] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  if (failure) return { ...known, cannot: failure.startsWith('exit code') ? reasonOf(errors) : failure };
  return { ...known, ...(JSON.parse(output.trim().split('\n').at(-1)!) as Partial<Row>) } as Row;
}
