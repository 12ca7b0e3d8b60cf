/**
 * Work in stages, for checks that take long: each stage is run and timed, one that fails is recorded with the end of what it
 * said, and the rest go on. Everything a stage says goes to a log of its own. Plain Node without dependencies.
 */
import { spawn } from 'node:child_process';
import { closeSync, fstatSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

/** How many lines of a log tell why a stage failed. */
const TAIL = 40;

/** The end of what a program said. */
export function tailOf(output, lines = TAIL) {
  return output.trimEnd().split('\n').slice(-lines).join('\n');
}

/** Seconds that a program may take to end after it was told to: beyond them nobody waits for it. */
const ENDING = 10;

/**
 * Runs a program in the tree, with its output in the file `log`, or behind what is there; resolves to what it said and how it ended.
 * After `seconds`, where they are given, it and what it has started are ended.
 */
export async function execute([command, ...args], { log, append = false, env = {}, seconds }) {
  const file = openSync(log, append ? 'a' : 'w');
  const before = fstatSync(file).size;
  const ended = await new Promise((resolve) => {
    let late = '';
    let timer;
    const finish = (how) => {
      clearTimeout(timer);
      resolve(how);
    };
    // Detached: a group of its own, of which all can be ended.
    const options = { cwd: root, env: { ...process.env, ...env }, stdio: ['ignore', file, file], detached: Boolean(seconds) };
    const child = spawn(command, args, options)
      .once('error', (error) => finish(error.message))
      .once('close', (code, signal) => finish(late || (signal ? `ended by ${signal}` : code === 0 ? '' : `exit status ${code}`)));
    const end = () => {
      late = `ended after ${Number(seconds.toFixed(1))} s`;
      kill(-child.pid);
      // What waits for a device in the kernel does not end.
      child.unref();
      timer = setTimeout(() => finish(`${late}, and is still there`), ENDING * 1000);
    };
    if (seconds) timer = setTimeout(end, seconds * 1000);
  });
  closeSync(file);
  return { failure: ended, output: readFileSync(log).subarray(before).toString() };
}

function kill(id) {
  try {
    process.kill(id, 'SIGKILL');
  } catch (error) {
    if (error.code !== 'ESRCH') throw error; // it was faster
  }
}

/**
 * What a program prints; undefined where it fails, or is not done after `seconds`. Behind some faults of a GPU nvidia-smi never is,
 * nor does it end when it is told to, which is why this is no spawnSync.
 */
export function ask(command, args, { seconds = 20, cwd } = {}) {
  return new Promise((resolve) => {
    let said = '';
    const child = spawn(command, args, { cwd, stdio: ['ignore', 'pipe', 'ignore'] });
    const finish = (answer) => {
      clearTimeout(timer);
      resolve(answer);
    };
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      child.stdout.destroy();
      child.unref();
      finish(undefined);
    }, seconds * 1000);
    child.stdout.setEncoding('utf8').on('data', (text) => (said += text));
    child.once('error', () => finish(undefined)).once('close', (code) => finish(code === 0 ? said : undefined));
  });
}

/** As `execute`, and throws the end of what the program said where it fails. */
export async function succeed(command, options) {
  const { failure, output } = await execute(command, options);
  if (failure) throw new Error(`${failure}\n${tailOf(output)}`);
  return output;
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
    await keep(results);
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
