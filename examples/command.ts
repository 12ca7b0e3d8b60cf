/** What the examples share: their command lines, lines of progress, and finding the files that npm packages carry. */
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { Command, InvalidArgumentError } from 'commander';
import type { Logs } from '../lib/index.js';

/** What every example can be told. */
export interface ExampleOptions {
  epochs: number;
  /** Of weights, order, noise and whatever else is drawn. */
  seed: number;
  /** cpu, cuda:0 or auto */
  device: string;
  /** Where lines of text go. */
  print: (line: string) => void;
}

/** Defaults of what is not the example's own. */
export const COMMON = { seed: 42, device: 'auto', print: (line: string) => console.log(line) };

/** A parser of integers for commander. */
export function integer(minimum: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!Number.isInteger(value) || value < minimum) throw new InvalidArgumentError(`Expected an integer >= ${minimum}.`);
    return value;
  };
}

/** A command with the options of all examples. */
export function exampleCommand(file: string, description: string, epochs: number): Command {
  return new Command(`npx tsx examples/${file}.ts`)
    .description(description)
    .option('--epochs <n>', 'passes over the training data', integer(1), epochs)
    .option('--seed <n>', 'seed of everything that is drawn', integer(0), COMMON.seed)
    .option('--device <device>', 'cpu, cuda:0 or auto', COMMON.device);
}

/** Whether node was started with this file, rather than with one that imports it. */
export function isProgram(url: string): boolean {
  return process.argv[1] === fileURLToPath(url);
}

/** The path of a file in an installed package. */
export function fileOf(specifier: string): string {
  return createRequire(import.meta.url).resolve(specifier);
}

/** For `onEpochEnd`: prints all that is known of an epoch, of every one or of about ten in all. */
export function epochPrinter(epochs: number, print: (line: string) => void): (epoch: number, logs: Logs) => void {
  const every = epochs > 20 ? Math.ceil(epochs / 10) : 1;
  return (epoch, logs) => {
    if ((epoch + 1) % every !== 0 && epoch + 1 !== epochs) return;
    const values = Object.entries(logs).map(([name, value]) => `${name} ${value.toFixed(4)}`);
    print(`epoch ${epoch + 1}/${epochs}: ${values.join(', ')}`);
  };
}

/** 0.985 → 98.50 % */
export function percent(share: number): string {
  return `${(share * 100).toFixed(2)} %`;
}
