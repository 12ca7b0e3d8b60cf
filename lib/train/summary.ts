/** The table that `summary()` prints: each layer with its kind, output shape and number of parameters. */
import { formatShape, sizeOf } from '../graph/shape.js';
import type { Network } from './network.js';
import { textTable } from './text_table.js';

export function summarize(network: Network): string {
  const columns = [
    { head: 'Layer', align: 'left' },
    { head: 'Output shape', align: 'left' },
    { head: 'Parameters', align: 'right' },
  ] as const;
  const counts = network.layers.map((l) => l.weights.reduce((n, w) => n + sizeOf(w.shape), 0));
  const rows = network.layers.map(({ name, layer, outputs }, i) => [
    `${name} (${layer.className})`,
    outputs.map((output) => formatShape([null, ...output])).join(', '),
    counts[i]!.toLocaleString('en-US'),
  ]);
  const total = counts.reduce((n, c) => n + c, 0).toLocaleString('en-US');
  return [...textTable(columns, rows), `Parameters: ${total}`].join('\n');
}
