/** What libgomp is told about waiting when the addon is loaded; it prints its own settings where OMP_DISPLAY_ENV asks. */
import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const NATIVE = fileURLToPath(new URL('../lib/runtime/native.ts', import.meta.url));
const SCRIPT = `const { native } = await import(${JSON.stringify(NATIVE)}); native(); console.log(process.env.GOMP_SPINCOUNT ?? 'unset');`;

/** Loads the addon in a process of its own; libgomp's settings, and GOMP_SPINCOUNT as children would inherit it. */
function load(extra: NodeJS.ProcessEnv): { settings: string; inherited: string } {
  const { GOMP_SPINCOUNT: _spin, OMP_WAIT_POLICY: _policy, ...env } = process.env;
  const result = spawnSync(process.execPath, ['--import=tsx', '--input-type=module', '-e', SCRIPT], {
    env: { ...env, OMP_DISPLAY_ENV: 'verbose', ...extra },
    encoding: 'utf8',
  });
  expect(result.status, result.stderr).to.equal(0);
  return { settings: result.stderr, inherited: result.stdout.trim() };
}

describe('threads between parallel regions', () => {
  it('spin a thousand turns, and child processes hear nothing of it', () => {
    const { settings, inherited } = load({});
    expect(settings).to.match(/GOMP_SPINCOUNT = '1000'/);
    expect(inherited).to.equal('unset');
  });

  it('spin as long as the user says', () => {
    const { settings, inherited } = load({ GOMP_SPINCOUNT: '77' });
    expect(settings).to.match(/GOMP_SPINCOUNT = '77'/);
    expect(inherited).to.equal('77');
  });

  it('wait as the user says', () => {
    expect(load({ OMP_WAIT_POLICY: 'PASSIVE' }).settings).to.match(/GOMP_SPINCOUNT = '0'/);
  });
});
