/**
 * Work in stages, for checks that take long: each stage is run and timed, one that fails is recorded with the end of what it
 * said, and the rest go on. Everything a stage says goes to a log of its own. Plain Node without dependencies.
 */
import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

/** How many lines of a log tell why a stage failed. */
const TAIL = 40;

/** The end of what a program said. */
export function tailOf(output, lines = TAIL) {
  return output.trimEnd().split('\n').slice(-lines).join('\n');
}

/**
 * Runs a program in the tree, with its output in the file `log`; resolves to what it said and how it ended. After `seconds`, where
 * they are given, it and what it has started are ended.
 */
export async function execute([command, ...args], { log, env = {}, seconds }) {
  const file = openSync(log, 'w');
  const ended = await new Promise((resolve) => {
    let late = '';
    // Detached: a group of its own, of which all can be ended.
    const options = { cwd: root, env: { ...process.env, ...env }, stdio: ['ignore', file, file], detached: Boolean(seconds) };
    const child = spawn(command, args, options)
      .once('error', (error) => resolve(error.message))
      .once('close', (code, signal) => {
        clearTimeout(timer);
        resolve(late || (signal ? `ended by ${signal}` : code === 0 ? '' : `exit status ${code}`));
      });
    const timer = setTimeout(() => {
      late = `ended after ${seconds} s`;
      process.kill(-child.pid, 'SIGKILL');
    }, seconds * 1000);
    if (!seconds) clearTimeout(timer);
  });
  closeSync(file);
  return { failure: ended, output: readFileSync(log, 'utf8') };
}

/** As `execute`, and throws the end of what the program said where it fails. */
export async function succeed(command, options) {
  const { failure, output } = await execute(command, options);
  if (failure) throw new Error(`${failure}\n${tailOf(output)}`);
  return output;
}

/** How many tests passed, failed and were left out, from what mocha printed, also where it was ended before it was done. */
export function testsOf(output) {
  const count = (word, sofar) => {
    const total = new RegExp(`^ *(\\d+) ${word}\\b`, 'm').exec(output)?.[1];
    return total ? Number(total) : /^ *\d+ passing\b/m.test(output) ? 0 : [...output.matchAll(sofar)].length;
  };
  return { passed: count('passing', /^ *✔ /gm), failed: count('failing', /^ *\d+\) /gm), skipped: count('pending', /^ *- /gm) };
}

/** mocha's command line for some specs. It runs in one process, so that a tool can watch that process. */
export function mochaOf(specs, grep) {
  const mocha = ['--import', 'tsx', 'node_modules/mocha/bin/mocha.js', '--no-config', '--timeout', '300000', '--fail-zero'];
  const helpers = ['surroundings', 'time_limit'].flatMap((name) => ['--require', `./test/helpers/${name}.ts`]);
  return [process.execPath, ...mocha, ...helpers, ...(grep ? ['--grep', grep] : []), ...specs];
}

/** What specs are run with so that those tests that would begin after `limit` seconds are skipped, and one that hangs is ended. */
export function limited(limit, env = {}) {
  return limit ? { env: { ...env, GRADSTEP_TEST_SECONDS: String(limit) }, seconds: 2 * limit + 30 } : { env };
}

/** Runs specs; throws where a test fails or none is run. */
export async function runTests(specs, { grep, ...options }) {
  const { failure, output } = await execute(mochaOf(specs, grep), options);
  const counts = testsOf(output);
  if (failure) {
    const failures = output.slice(output.search(/^ *\d+ failing\b/m));
    const said = counts.failed > 0 ? failures.split('\n').slice(0, TAIL).join('\n') : tailOf(output);
    throw new Error(`${failure}, ${counts.passed} passed, ${counts.failed} failed\n${said}`);
  }
  return counts;
}

/**
 * Runs stages in order: `run` gets the path of the stage's log and resolves to what was found, in a few words, or to
 * { found, ... } with whatever a report wants to know. A stage that throws, or resolves to an `error`, has failed. `keep` is
 * told the results so far after each: a machine may be taken away before the last.
 */
export async function runStages(title, stages, folder, keep = () => {}) {
  mkdirSync(folder, { recursive: true });
  const results = [];
  for (const { name, run } of stages) {
    console.log(`${title}: ${name}`);
    const started = performance.now();
    const result = { stage: name, found: '' };
    try {
      const found = await run(join(folder, `${name.replaceAll(/\W+/g, '_')}.log`));
      Object.assign(result, typeof found === 'string' ? { found } : found);
    } catch (error) {
      result.error = error.message;
    }
    if (result.error !== undefined) console.error(`${title}: ${name} failed: ${result.error}`);
    results.push({ ...result, seconds: Math.round((performance.now() - started) / 100) / 10 });
    keep(results);
  }
  return results;
}

/** A table of what stages found, for the terminal. */
export function stageTable(results) {
  const rows = results.map(({ stage, found, seconds, error }) => [stage, error ? 'FAILED' : found, `${seconds.toFixed(0)} s`]);
  const width = (column) => Math.max(...rows.map((row) => row[column].length));
  const widths = [0, 1, 2].map(width);
  const line = (row) => `${row[0].padEnd(widths[0])}  ${row[1].padEnd(widths[1])}  ${row[2].padStart(widths[2])}`;
  return rows.map(line).join('\n');
}
