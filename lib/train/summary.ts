/** The table that `summary()` prints: each layer with its kind, output shape and number of parameters. */
import { formatShape, sizeOf } from '../graph/shape.js';
import type { Network } from './network.js';

export function summarize(network: Network): string {
  const head = ['Layer', 'Output shape', 'Parameters'] as const;
  const counts = network.layers.map((l) => l.weights.reduce((n, w) => n + sizeOf(w.shape), 0));
  const rows = network.layers.map(({ name, layer, outputs }, i) => [
    `${name} (${layer.className})`,
    outputs.map((output) => formatShape([null, ...output])).join(', '),
    counts[i]!.toLocaleString('en-US'),
  ]);
  const widths = head.map((h, i) => Math.max(h.length, ...rows.map((r) => r[i]!.length)));
  const line = (cells: readonly string[]) =>
    cells.map((c, i) => (i === cells.length - 1 ? c.padStart(widths[i]!) : c.padEnd(widths[i]!))).join('   ');
  const rule = '─'.repeat(widths.reduce((n, w) => n + w + 3, -3));
  const total = counts.reduce((n, c) => n + c, 0).toLocaleString('en-US');
  return [line(head), rule, ...rows.map(line), rule, `Parameters: ${total}`].join('\n');
}
