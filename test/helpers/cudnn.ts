/** The stand-in for cuDNN (test/native/cudnn) and what the emulated machine is told of it. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { plugin } from './emulation.js';

/** The stand-in, or one of two libraries that cannot be used. */
export function cudnnLibrary(which: 'fake' | 'old' | 'broken'): string {
  return join(dirname(dirname(plugin('cuda-emulated'))), `native/cuda/${which}_cudnn/libcudnn.so.9`);
}

/** Sets variables, or removes them, and returns what sets them back. */
export function setVariables(variables: Record<string, string | undefined>): () => void {
  const before = Object.fromEntries(Object.keys(variables).map((name) => [name, process.env[name]]));
  for (const [name, value] of Object.entries(variables)) {
    if (value === undefined) Reflect.deleteProperty(process.env, name);
    else process.env[name] = value;
  }
  return () => void setVariables(before);
}

/** A folder with the list of what the stand-in was asked to compute. */
export class Computed {
  readonly folder = mkdtempSync(join(tmpdir(), 'gradstep-cudnn-'));
  private readonly file = join(this.folder, 'log');

  /** What a machine with this library as its cuDNN is told. */
  machine(library: string): Record<string, string> {
    return { GRADSTEP_EMULATION_CUDNN: library, GRADSTEP_FAKE_CUDNN_LOG: this.file };
  }

  /** The calls since the last look, each with the number of its algorithm. */
  take(): string[] {
    const lines = existsSync(this.file) ? readFileSync(this.file, 'utf8').split('\n').slice(0, -1) : [];
    writeFileSync(this.file, '');
    return lines;
  }

  end(): void {
    rmSync(this.folder, { recursive: true });
  }
}
