/**
 * Writes files that appear whole or not at all: under another name in the same folder, flushed to the disk, then renamed. Who may read
 * what was there may read what comes.
 */
import { randomBytes } from 'node:crypto';
import { chmod, open, readlink, realpath, rename, stat, unlink } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { fileError } from './bytes.js';

/** Bytes written at once. */
const CHUNK = 4 << 20;

/** The file that a path leads to through symbolic links, whether it is there or not. */
async function targetOf(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    const link = await readlink(path).catch(() => undefined);
    return link === undefined ? path : targetOf(resolve(await realpath(dirname(path)), link));
  }
}

/** The permissions of the file that is there; undefined where there is none. Devices, pipes and folders cannot be replaced. */
async function modeOf(path: string): Promise<number | undefined> {
  const there = await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (there && !there.isFile()) throw new Error('it is there, and not a file');
  return there && there.mode & 0o7777;
}

/** Has the folder's entries on the disk, too, where it may be read. */
async function syncFolder(folder: string): Promise<void> {
  const opened = await open(folder, 'r').catch(() => undefined);
  try {
    await opened?.sync();
  } finally {
    await opened?.close();
  }
}

async function writeThenRename(path: string, chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<void> {
  const folder = dirname(path);
  // Of a length of its own: the file's name may be as long as names can be.
  const temporary = join(folder, `.gradstep-${process.pid}-${randomBytes(8).toString('hex')}.tmp`);
  const mode = await modeOf(path);
  try {
    const file = await open(temporary, 'wx');
    try {
      for await (const chunk of chunks) {
        for (let at = 0; at < chunk.length; at += CHUNK) await file.writeFile(chunk.subarray(at, at + CHUNK));
      }
      await file.sync();
    } finally {
      await file.close();
    }
    if (mode !== undefined) await chmod(temporary, mode);
    await rename(temporary, path);
  } catch (error) {
    await unlink(temporary).catch(() => undefined);
    throw error;
  }
  await syncFolder(folder);
}

/** Writes a whole file, or leaves what was there; ERR_FILE where that fails. A symbolic link stays one: what it leads to is written. */
export async function writeWhole(path: string, chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<void> {
  try {
    await writeThenRename(await targetOf(path), chunks);
  } catch (error) {
    throw fileError(path, `cannot be written: ${(error as Error).message}`, error);
  }
}
