/** Files that are written whole: what they replace, and what they do not. */
import { expect } from 'chai';
import { execFileSync } from 'node:child_process';
import { chmod, lstat, mkdtemp, readdir, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as gs from '../lib/index.js';
import { expectFailure } from './helpers/failure.js';

describe('files that are written whole', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'gradstep_whole_file_'));
  });
  after(() => rm(folder, { recursive: true }));
  const write = (path: string) => gs.data.writeNpy(path, gs.tensor([1, 2, 3]));

  it('have the permissions of those that they replace', async () => {
    const path = join(folder, 'private.npy');
    await writeFile(path, 'old');
    await chmod(path, 0o600);
    await write(path);
    expect((await stat(path)).mode & 0o777).to.equal(0o600);
    expect([...(await gs.data.npy(path)).data]).to.deep.equal([1, 2, 3]);
  });

  it('are named by file URLs of this machine alone', async () => {
    for (const url of ['file://elsewhere/z', 'file:///tmp/a%2Fb', 'https://example.org/model']) {
      await expectFailure(
        () => gs.loadModel(new URL(url)),
        'ERR_OPTION',
        new RegExp(`^Expected path of a file or file: URL of one for loadModel\\.path but received ${url}`),
      );
    }
  });

  it('take the place of no pipe, device or folder, nor through a link', async () => {
    const pipe = join(folder, 'pipe');
    execFileSync('mkfifo', [pipe]);
    const link = join(folder, 'link');
    await symlink(pipe, link);
    for (const path of [pipe, link, folder]) {
      await expectFailure(() => write(path), 'ERR_FILE', /cannot be written: it is there, and not a file/);
    }
    expect((await lstat(pipe)).isFIFO()).to.equal(true);
    expect((await readdir(folder)).filter((name) => name.endsWith('.tmp'))).to.deep.equal([]);
  });
});
