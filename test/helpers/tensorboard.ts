/** What TensorBoard itself finds in a folder of event files. */
import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { tensorboard } from '../../scripts/tensorboard.mjs';

export interface HistogramValue {
  min: number;
  max: number;
  num: number;
  sum: number;
  sum_squares: number;
  bucket_limit: number[];
  bucket: number[];
}

export interface Found {
  scalars: Record<string, [wallTime: number, step: number, value: number][]>;
  histograms: Record<string, [wallTime: number, step: number, value: HistogramValue][]>;
  texts: Record<string, [wallTime: number, step: number, plugin: string, texts: string[]][]>;
}

const script = fileURLToPath(new URL('read_events.py', import.meta.url));

export function readByTensorBoard(folder: string): Found {
  const env = { ...process.env, PYTHONPATH: tensorboard(), PYTHONDONTWRITEBYTECODE: '1' };
  const result = spawnSync('python3', [script, folder], { encoding: 'utf8', env });
  expect(result.status, result.stderr).to.equal(0);
  // Python writes numbers that JSON does not have.
  const json = result.stdout
    .replaceAll('-Infinity', '"-Infinity"')
    .replaceAll(/(?<!["-])Infinity/g, '"Infinity"')
    .replaceAll('NaN', '"NaN"');
  return JSON.parse(json) as Found;
}
