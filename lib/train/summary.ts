/** The table that `summary()` prints: each layer with its kind, output shape and number of parameters, and how many are trained. */
import { formatShape, sizeOf } from '../graph/shape.js';
import type { Network, PlacedWeight } from './network.js';
import { textTable } from './text_table.js';

const count = (weights: readonly PlacedWeight[]): number => weights.reduce((n, w) => n + sizeOf(w.shape), 0);
const text = (n: number): string => n.toLocaleString('en-US');

/** @param isTrainable whether the model as a whole may be trained */
export function summarize({ layers, weights }: Network, isTrainable: boolean): string {
  const columns = [
    { head: 'Layer', align: 'left' },
    { head: 'Output shape', align: 'left' },
    { head: 'Parameters', align: 'right' },
  ] as const;
  const rows = layers.map(({ name, layer, outputs, weights: own }) => {
    const isFrozen = own.length > 0 && !(isTrainable && layer.trainable);
    return [
      `${name} (${layer.className}${isFrozen ? ', frozen' : ''})`,
      outputs.map((output) => formatShape([null, ...output])).join(', '),
      text(count(own)),
    ];
  });
  // Each weight once, of layers that are the same in several parts, too.
  const all = count(weights);
  const trained = count(weights.filter((w) => isTrainable && w.trained));
  return [
    ...textTable(columns, rows),
    `Parameters: ${text(all)}`,
    `Trainable parameters: ${text(trained)}`,
    `Non-trainable parameters: ${text(all - trained)}`,
  ].join('\n');
}
