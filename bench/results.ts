/** Where a comparison is kept: bench/results/<name>.json with the machine, the command and every row, and <name>.svg. */
import { writeFile } from 'node:fs/promises';
import { availableParallelism, cpus, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';
import { barsOf, chartSvg } from './chart.js';
import type { Comparison } from './compare.js';
import { isRow } from './row.js';

/** A processor's name as part of a file's: `Intel(R) Xeon(R) Gold 6430 CPU @ 2.10GHz` is xeon_gold_6430. */
export function deviceName(model: string): string {
  const words = model
    .toLowerCase()
    .replace(/\((r|tm|c)\)|@.*$|\b\d+-core\b/g, ' ')
    .split(/[^a-z0-9]+/)
    .filter((word) => word !== '' && !['intel', 'amd', 'cpu', 'processor'].includes(word));
  return words.join('_') || 'unknown';
}

/** @param device what was asked for, such as cpu or cuda:0 */
export function defaultName(device: string, date: Date): string {
  const kind = device === 'cpu' ? `cpu_${deviceName(cpus()[0]!.model)}` : device.replace(':', '_');
  return `${kind}_${date.toISOString().slice(0, 10)}_peers`;
}

/** Writes the file and, where there are peers to compare with, the chart; resolves to their paths. */
export async function save(name: string, { limits, outcomes }: Comparison, date: Date): Promise<string[]> {
  const path = (ending: string): string => fileURLToPath(new URL(`./results/${name}.${ending}`, import.meta.url));
  const machine = {
    cpu: cpus()[0]!.model,
    threads: availableParallelism(),
    memory_mb: Math.round(totalmem() / 1e6),
    node: process.version,
  };
  const command = ['npm run bench --', ...process.argv.slice(2)].join(' ');
  const whole = { date: date.toISOString(), command, machine, limits, outcomes };
  await writeFile(path('json'), `${JSON.stringify(whole, null, 1)}\n`);
  const rows = outcomes.filter(isRow);
  if (barsOf(rows).length === 0) return [path('json')];
  await writeFile(path('svg'), `${await chartSvg(rows)}\n`);
  return [path('json'), path('svg')];
}
