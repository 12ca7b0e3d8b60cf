/**
 * What `npm run gpu:check` reads from NVIDIA's tools, and the report it writes: text in, text out.
 */

/** What is asked of nvidia-smi, by the name it has in a report. */
export const QUERY = {
  name: 'name',
  driver: 'driver_version',
  capability: 'compute_cap',
  memoryMiB: 'memory.total',
  smClockMHz: 'clocks.sm',
  memoryClockMHz: 'clocks.mem',
  highestSmClockMHz: 'clocks.max.sm',
  highestMemoryClockMHz: 'clocks.max.mem',
  powerLimitW: 'power.limit',
};

/** The first GPU of `nvidia-smi --query-gpu=… --format=csv,noheader,nounits`; undefined where there is none. */
export function gpuOf(csv) {
  const cells = csv
    .trim()
    .split('\n')[0]
    .split(',')
    .map((cell) => cell.trim());
  const names = Object.keys(QUERY);
  return cells.length === names.length ? Object.fromEntries(names.map((name, i) => [name, cells[i]])) : undefined;
}

/** `cuda_h100_80gb_hbm3_2026-11-29` for an NVIDIA H100 80GB HBM3. */
export function reportName(gpuName, date) {
  const words = gpuName
    .toLowerCase()
    .split(/[^a-z0-9]+/)
    .filter((word) => word !== '' && !['nvidia', 'geforce'].includes(word));
  return ['cuda', ...words, date.toISOString().slice(0, 10)].join('_');
}

/**
 * What compute-sanitizer found: the number of errors (of racecheck: hazards), and the first of its findings. Throws where it
 * printed no summary: then it has watched nothing.
 */
export function sanitizerFindings(output) {
  const summaries = [...output.matchAll(/^=+ (?:ERROR|RACECHECK) SUMMARY: (\d+) (?:error|hazard)/gm)];
  const said = output.split('\n').filter((line) => line.startsWith('========='));
  const lines = said.map((line) => line.replace(/^=+ ?/, '').trimEnd()).filter((line) => line !== '');
  if (summaries.length === 0) throw new Error(`compute-sanitizer printed no summary\n${lines.slice(-10).join('\n')}`);
  const errors = summaries.reduce((sum, [, count]) => sum + Number(count), 0);
  const first = lines.filter((line) => !/^(COMPUTE-SANITIZER|(ERROR|RACECHECK) SUMMARY)/.test(line)).slice(0, 20);
  return { errors, first: errors > 0 ? first : [] };
}

/** 9.28.1 for what cudnnGetVersion returned; where it says nothing, there is none. */
export function cudnnVersion(text) {
  const number = Number(text);
  if (!(number > 0)) return 'not found';
  return [Math.floor(number / 10000), Math.floor((number % 10000) / 100), number % 100].join('.');
}

/**
 * What was measured to be the fastest way of each convolution, from a file of choices (native/cuda/algorithm_cache.h): a line each,
 * the device and what it is for, a tab, the way's name in hexadecimal digits.
 */
export function convolutionsOf(choices) {
  return [...choices.matchAll(/^.*?, (conv(?:_d[xw])? x .*?)(?:, cuDNN \d+)?\t([0-9a-f]+)$/gm)].map(([, what, hex]) => ({
    what,
    way: Buffer.from(hex, 'hex').toString(),
  }));
}

const cell = (text) => String(text).replaceAll('|', '\\|').replaceAll('\n', ' ');
const table = (head, rows) => [head, head.map(() => '---'), ...rows].map((row) => `| ${row.map(cell).join(' | ')} |`).join('\n');
const fence = (text) => `\`\`\`\n${text.trimEnd()}\n\`\`\``;

/** The report as Markdown: the machine, a line a stage, the bench's table, and why stages failed. */
export function markdownOf({ date, command, device, gpu, cuda, cudnn, smClockAfterMHz, stages }) {
  const failed = stages.filter(({ error }) => error !== undefined);
  const bench = stages.find(({ table: text }) => text);
  const outcome = failed.length === 0 ? 'Every stage passed.' : `Failed: ${failed.map(({ stage }) => stage).join(', ')}.`;
  const machine = [
    ['device', `${device}: ${gpu.name}, compute capability ${gpu.capability}, ${gpu.memoryMiB} MiB`],
    ['driver', `${gpu.driver}, for CUDA up to ${cuda}`],
    ['cuDNN', cudnn],
    [
      'clocks, MHz',
      `SM ${gpu.smClockMHz} before and ${smClockAfterMHz} after, at most ${gpu.highestSmClockMHz}; memory ${gpu.memoryClockMHz}, at most ${gpu.highestMemoryClockMHz}`,
    ],
    ['power limit', `${gpu.powerLimitW} W`],
  ];
  const results = stages.map(({ stage, found, error, seconds }) => [
    stage,
    error === undefined ? found : `FAILED: ${error.split('\n')[0]}`,
    seconds.toFixed(1),
  ]);
  return `${[
    `# ${gpu.name}, ${date.slice(0, 10)}`,
    `\`${command}\``,
    outcome,
    table(['machine', ''], machine),
    table(['stage', 'found', 'seconds'], results),
    ...(bench ? ['## Bench', fence(bench.table)] : []),
    ...failed.flatMap(({ stage, error }) => [`## Why ${stage} failed`, fence(error)]),
  ].join('\n\n')}\n`;
}
