/**
 * Runs specs on a device that may fail: each in a process of its own, with a name printed as each test begins. Where a test hangs,
 * ends its process, or meets an error after which CUDA fails every call, another process goes on behind it; what came of
 * all of them is summed up. Plain Node.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execute, tailOf } from './stages.mjs';

/** So many processes go on with a spec; if each of them ends early, the rest of it is given up. */
const RESTARTS = 8;

/** Seconds behind the limit after which a process is ended: those of a test that hangs, and of leaving. */
export const GRACE = 45;

/** Seconds a test may take where there is a limit, and where there is none. */
const TEST_SECONDS = 30;
const PATIENCE = 300;

/** How many failing tests are named, of how many the report has more, and how much. */
const NAMED = 300;
const DETAILED = 10;
const LINES = 15;

/** mocha's command line for some specs. It runs in one process, so that a tool can watch that process. */
function mochaOf(specs, grep, seconds) {
  const mocha = ['--import', 'tsx', 'node_modules/mocha/bin/mocha.js', '--no-config', '--timeout', String(seconds * 1000)];
  const helpers = ['surroundings', 'time_limit'].flatMap((name) => ['--require', `./test/helpers/${name}.ts`]);
  const reporter = ['--reporter', './test/helpers/told_reporter.ts'];
  return [process.execPath, ...mocha, ...helpers, ...reporter, ...(grep ? ['--grep', grep] : []), ...specs];
}

/** What a process told (test/helpers/told_reporter.ts). */
function read(path) {
  const told = { passed: 0, skipped: 0, late: 0, failures: [] };
  const text = existsSync(path) ? readFileSync(path, 'utf8') : '';
  for (const line of text.split('\n').slice(0, -1)) {
    const { kind, ...event } = JSON.parse(line);
    if (kind === 'pass') told.passed++;
    else if (kind === 'skip') told.skipped++;
    else if (kind === 'late') told.late++;
    else if (kind === 'fail') told.failures.push(event);
    else Object.assign(told, event, { last: kind });
  }
  return told;
}

/** The failure of a process that did not tell of it; undefined where there is none. */
function untold({ last, title, failures }, failure, output, specs) {
  const isTold = failure === '' || (failures.length > 0 && failure.startsWith('exit status'));
  if (last === 'over' || (last === 'end' && isTold)) return undefined;
  const when = {
    begin: 'it had not ended',
    done: 'it had ended, and the next had not begun',
    end: 'all tests had ended',
  }[last];
  const message = `${when ?? 'no test had begun'}: ${failure || 'the process left'}`;
  return { title: (last !== 'end' && title) || specs.join(' '), message, details: tailOf(output, LINES) };
}

/**
 * Runs specs; `limit`: seconds after which no further test begins. `watch` is a command that runs the command behind it. Resolves to
 * what passed, was skipped, was too late and failed, to how many tests were not reached and which specs not begun, and to what was said.
 */
export async function runSpecs(specs, { log, grep, env = {}, limit, watch = [], testSeconds = limit ? TEST_SECONDS : PATIENCE }) {
  const folder = mkdtempSync(join(tmpdir(), 'gradstep-specs-'));
  const events = join(folder, 'events');
  // A process that is killed leaves what it wrote to temporary folders.
  const surroundings = { GRADSTEP_TEST_FOLDER: folder, TMPDIR: folder, GRADSTEP_CACHE: folder, GRADSTEP_TEST_EVENTS: events };
  const begun = performance.now();
  const left = () => Math.max(0.001, limit - (performance.now() - begun) / 1000);
  const isLate = () => limit && performance.now() - begun > limit * 1000;
  const all = { passed: 0, skipped: 0, late: 0, failures: [], unreached: 0, notBegun: [], processes: 0, output: '' };

  const runOnce = async (group, from) => {
    rmSync(events, { force: true });
    const { failure, output } = await execute([...watch, ...mochaOf(group, grep, testSeconds)], {
      log,
      append: all.processes > 0,
      env: {
        ...surroundings,
        ...env,
        GRADSTEP_TEST_FROM: String(from),
        ...(limit && { GRADSTEP_TEST_SECONDS: String(left()) }),
      },
      seconds: limit && left() + GRACE,
    });
    const told = read(events);
    const trouble = untold(told, failure, output, group);
    all.passed += told.passed;
    all.skipped += told.skipped;
    all.late += told.late;
    all.failures.push(...told.failures, ...(trouble ? [trouble] : []));
    all.output += output;
    all.processes++;
    return told;
  };

  try {
    // Tests that are asked for by name are few, and loading every spec takes longer.
    for (const group of grep ? [specs] : specs.map((spec) => [spec])) {
      if (all.processes > 0 && isLate()) {
        all.notBegun.push(...group);
        continue;
      }
      let [from, unreached] = [0, 0];
      for (let restarts = 0; restarts <= RESTARTS; restarts++) {
        const told = await runOnce(group, from);
        unreached = told.left ?? unreached;
        if (told.last === 'end' || unreached === 0 || !(told.next > from) || isLate()) break;
        from = told.next;
      }
      all.unreached += unreached;
    }
  } finally {
    rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
  }
  return all;
}

/** What came of specs, in a few words. */
export function countsOf({ passed, failures, late, unreached, notBegun }, limit) {
  const then = `after ${limit} s`;
  return [
    ...(failures.length > 0 ? [`${failures.length} failed`] : []),
    `${passed} passed`,
    ...(late > 0 ? [`${late} left out ${then}`] : []),
    ...(unreached > 0 ? [`${unreached} not reached`] : []),
    ...(notBegun.length > 0 ? [`${notBegun.join(', ')} not begun ${then}`] : []),
  ].join(', ');
}

/** What failed: a line each, and then more of the first. */
export function failuresOf({ failures }) {
  const lines = failures.slice(0, NAMED).map(({ title, message }) => `  ${title}: ${message.split('\n')[0]}`);
  const others = failures.length > NAMED ? [`  and ${failures.length - NAMED} more`] : [];
  const start = (text) => text.split('\n').slice(0, LINES).join('\n');
  const details = failures.slice(0, DETAILED).map((failed, i) => `\n${i + 1}) ${failed.title}\n${start(failed.details)}`);
  return [...lines, ...others, ...details].join('\n');
}

/** Throws where a test failed or none was run. */
export function expectPassed(all, limit) {
  if (all.failures.length > 0) throw new Error(`${countsOf(all, limit)}\n${failuresOf(all)}`);
  if (all.passed + all.skipped + all.late === 0) throw new Error('no test was run');
}

/** As `runSpecs`, and throws where a test fails or none is run. */
export async function passSpecs(specs, options) {
  const all = await runSpecs(specs, options);
  expectPassed(all, options.limit);
  return all;
}
