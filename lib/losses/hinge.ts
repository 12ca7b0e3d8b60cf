/**
 * The hinge losses, of margins between the right side and the wrong one. Labels of hinge and squaredHinge are −1 and 1;
 * 0 counts as −1, so labels of 0 and 1 serve as well.
 */
import type { Value } from '../graph/graph.js';
import { sizeOf } from '../graph/shape.js';
import { elementwise } from '../ops/map.js';
import { maxPool } from '../ops/max_pool.js';
import { sum } from '../ops/reduce_sum.js';
import { reshape } from '../ops/reshape.js';
import { checkOptions } from '../options.js';
import { comparison, type Loss } from './loss.js';

/** max(1 − y·ŷ, 0). */
function shortfall(yTrue: Value, yPred: Value): Value {
  const side = elementwise('where', yTrue, yTrue, -1);
  return elementwise('relu', elementwise('sub', 1, elementwise('mul', side, yPred)));
}

/** The largest element along the last axis: the pool of one window over it. */
function largest(x: Value): Value {
  const classes = x.shape.at(-1)!;
  const rows = reshape(x, [sizeOf(x.shape) / classes, 1, classes, 1]);
  return reshape(maxPool(rows, { poolW: classes }), x.shape.slice(0, -1));
}

/** max(1 − y·ŷ, 0), the mean over the outputs. Labels have the shape of the output: −1 (or 0) and 1. */
export function hinge(options?: Record<string, never>): Loss {
  return comparison('hinge', checkOptions('losses.hinge', options, {}), shortfall);
}

/** max(1 − y·ŷ, 0)², the mean over the outputs. Labels have the shape of the output: −1 (or 0) and 1. */
export function squaredHinge(options?: Record<string, never>): Loss {
  const config = checkOptions('losses.squaredHinge', options, {});
  return comparison('squaredHinge', config, (yTrue, yPred) => elementwise('square', shortfall(yTrue, yPred)));
}

/** max(1 + max_c (1 − y_c)·ŷ_c − Σ_c y_c·ŷ_c, 0) over the last axis. Labels have the shape of the output: one-hot. */
export function categoricalHinge(options?: Record<string, never>): Loss {
  const config = checkOptions('losses.categoricalHinge', options, {});
  return comparison('categoricalHinge', config, (yTrue, yPred) => {
    const right = sum(elementwise('mul', yTrue, yPred), [-1]);
    const wrong = largest(elementwise('mul', elementwise('sub', 1, yTrue), yPred));
    return elementwise('relu', elementwise('add', elementwise('sub', wrong, right), 1));
  });
}
