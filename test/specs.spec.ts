/**
 * Specs on a device that may fail (scripts/specs.mjs): what comes of those that hang, end their process or meet an error after
 * which CUDA fails every call, and of what is behind them. The specs are small ones in a temporary folder.
 */
import { expect } from 'chai';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { countsOf, failuresOf, passSpecs, runSpecs, type Options, type Outcome } from '../scripts/specs.mjs';
import { ask } from '../scripts/stages.mjs';

const HANGS = 'await new Promise(() => setInterval(() => {}, 1000));';
const DIES = `process.kill(process.pid, 'SIGSEGV'); ${HANGS}`;
const fails = (what: string): string => `throw new Error('cudaFree failed with ${what}: no luck');`;

describe('specs on a device that may fail', () => {
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'gradstep-specs-'))));
  afterEach(() => rmSync(folder, { recursive: true }));

  function spec(name: string, text: string): string {
    const path = join(folder, `${name}.spec.mjs`);
    writeFileSync(path, text);
    return path;
  }

  /** A spec of tests a, b, c …, each with what it does. */
  function tests(name: string, bodies: readonly string[], hooks = ''): string {
    const list = bodies.map((body, i) => `it('${String.fromCharCode(97 + i)}', async () => { ${body} });`);
    return spec(name, `describe('${name}', () => {\n${hooks}\n${list.join('\n')}\n});\n`);
  }

  const run = (specs: string[], options: Partial<Options> = {}): Promise<Outcome> =>
    runSpecs(specs, { log: join(folder, 'log'), ...options });
  const shown = ({ failures }: Outcome): string[] => failures.map(({ title, message }) => `${title}: ${message}`);

  it('one that hangs is named, and another process goes on behind it', async () => {
    const all = await run([tests('stuck', ['', HANGS, '', ''])], { testSeconds: 3 });
    expect(all).to.include({ passed: 3, processes: 2, unreached: 0 });
    expect(shown(all)).to.have.length(1);
    expect(shown(all)[0]).to.match(/^stuck b: hung: Timeout of 3000ms exceeded/);
    expect(readFileSync(join(folder, 'log'), 'utf8')).to.match(/▷ stuck a\n[^]*▷ stuck b\n[^]*: a test hung\n[^]*▷ stuck c\n/);
  });

  it('one that ends its process, in a test, a hook or behind all of them', async () => {
    const all = await run([
      tests('killed', ['', DIES, '']),
      tests('left', ['process.exit(3)', '']),
      tests('before', ['', ''], `before(async () => { ${DIES} });`),
      tests('after', [''], `process.on('exit', () => process.kill(process.pid, 'SIGKILL'));`),
    ]);
    expect(all).to.include({ passed: 4, processes: 6, unreached: 0 });
    expect(shown(all)).to.deep.equal([
      'killed b: it had not ended: ended by SIGSEGV',
      'left a: it had not ended: exit status 3',
      'before "before all" hook for "a": it had not ended: ended by SIGSEGV',
      `${join(folder, 'after.spec.mjs')}: all tests had ended: ended by SIGKILL`,
    ]);
  });

  it('an error after which CUDA fails every call ends a process, others do not', async () => {
    const all = await run([tests('fault', [fails('cudaErrorInvalidValue'), fails('cudaErrorIllegalAddress'), '', ''])]);
    expect(all).to.include({ passed: 2, processes: 2, unreached: 0 });
    expect(shown(all)).to.deep.equal([
      'fault a: cudaFree failed with cudaErrorInvalidValue: no luck',
      'fault b: cudaFree failed with cudaErrorIllegalAddress: no luck',
    ]);
  });

  it('a spec is given up after eight restarts, and the next one begins', async () => {
    const twelve = Array.from({ length: 12 }, () => 'process.exit(1)');
    const all = await run([tests('hopeless', twelve), tests('sound', [''])]);
    expect(all).to.include({ passed: 1, processes: 10, unreached: 3 });
    expect(countsOf(all)).to.equal('9 failed, 1 passed, 3 not reached');
    expect(all.failures.at(-1)!.title).to.equal('hopeless i');
  });

  it('with --grep: in one process, which goes on behind a test in any of the specs', async () => {
    const specs = [tests('first', ['', fails('cudaErrorIllegalAddress'), '']), tests('second', ['', DIES, ''])];
    const all = await run(specs, { grep: ' [bc]$' });
    expect(all).to.include({ passed: 2, processes: 3, unreached: 0 });
    expect(all.failures.map(({ title }) => title)).to.deep.equal(['first b', 'second b']);
  });

  it('a spec that does not load, and tests behind a hook that fails', async () => {
    const hook = `beforeEach(() => { throw new Error('no room'); });`;
    const all = await run([spec('odd', 'throw new Error("odd")'), tests('hooked', ['', '', ''], hook)]);
    expect(all).to.include({ passed: 0, processes: 2, unreached: 3 });
    expect(shown(all)).to.deep.equal([
      `${join(folder, 'odd.spec.mjs')}: no test had begun: exit status 1`,
      'hooked "before each" hook for "a": no room',
    ]);
    expect(all.failures[0]!.details).to.contain('Error: odd');
  });

  it('no test begins after the limit, and what was not is told', async () => {
    const wait = 'await new Promise((resolve) => setTimeout(resolve, 2500));';
    const all = await run([tests('slow', [wait, '', ''], "it.skip('never', () => {});"), tests('late', [''])], { limit: 2.5 });
    expect(all).to.include({ passed: 1, skipped: 1, late: 2, processes: 1 });
    expect(countsOf(all, 2.5)).to.equal(
      `1 passed, 2 left out after 2.5 s, ${join(folder, 'late.spec.mjs')} not begun after 2.5 s`,
    );
  });

  it('all failing tests are named, and more is told of ten', async () => {
    const bodies = Array.from({ length: 26 }, (_, i) => `throw new Error('no ${i}\\nand no');`);
    const error = await passSpecs([tests('many', bodies)], { log: join(folder, 'log') }).catch((e: unknown) => e as Error);
    const { message } = error as Error;
    expect(message).to.match(/^26 failed, 0 passed\n {2}many a: no 0\n {2}many b: no 1\n/);
    expect(message.match(/^ {2}many [a-z]: no \d+$/gm)).to.have.length(26);
    expect(message.match(/^\d+\) many [a-z]\nError: no \d+\nand no\n/gm)).to.have.length(10);
    const all = { passed: 0, skipped: 0, late: 0, unreached: 0, notBegun: [], processes: 1, output: '' };
    const failures = Array.from({ length: 301 }, (_, i) => ({ title: `test ${i}`, message: 'no', details: 'no' }));
    expect(failuresOf({ ...all, failures })).to.match(/^ {2}test 299: no\n {2}and 1 more\n/m);
  });

  it('none at all is a failure', async () => {
    const error = await passSpecs([spec('empty', '')], { log: join(folder, 'log') }).catch((e: unknown) => e as Error);
    expect((error as Error).message).to.equal('no test was run');
  });

  it('tests that share a session have another one where it has failed', async () => {
    const imports = [
      `import { sharedSession } from '${new URL('./helpers/backends.ts', import.meta.url).href}';`,
      `import { EMPTY_PROGRAM, COUNTER, fakeSession } from '${new URL('./helpers/native_session.ts', import.meta.url).href}';`,
    ];
    const steps = (count: number): string => `const entry = await session().load(EMPTY_PROGRAM);
      if ((await session().run(entry, ${count}, 0, COUNTER)).steps !== ${count}) throw new Error('not all');`;
    // Device 2 breaks at its second step.
    const path = tests(
      'shared',
      [steps(1), steps(2), steps(1), 'await session().memory();'],
      'const session = sharedSession(() => fakeSession(2));',
    );
    writeFileSync(path, `${imports.join('\n')}\n${readFileSync(path, 'utf8')}`);
    const all = await run([path]);
    expect(
      all.failures.map(({ title }) => title),
      shown(all).join(),
    ).to.deep.equal(['shared b']);
    expect(all).to.include({ passed: 3, processes: 1 });
  });

  it('what a program says is waited for as long as is said', async () => {
    expect(await ask('sh', ['-c', 'echo yes'])).to.equal('yes\n');
    expect(await ask('sh', ['-c', 'echo no; exit 3'])).to.equal(undefined);
    expect(await ask(join(folder, 'nothing'), [])).to.equal(undefined);
    const started = performance.now();
    expect(await ask('sleep', ['60'], { seconds: 0.2 })).to.equal(undefined);
    expect(performance.now() - started).to.be.lessThan(30_000);
  });
});
