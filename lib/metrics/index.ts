/** The namespace `gs.metrics`. */
export {
  accuracy,
  binaryAccuracy,
  categoricalAccuracy,
  sparseCategoricalAccuracy,
  sparseTopKCategoricalAccuracy,
  topKCategoricalAccuracy,
} from './accuracy.js';
export { auc } from './auc.js';
export { confusionMatrix } from './confusion_matrix.js';
export { f1Score, fBetaScore } from './f_score.js';
export { fromSums } from './from_sums.js';
export { binaryIoU, dice, iou, meanIoU } from './iou.js';
export {
  binaryCrossentropy,
  categoricalCrossentropy,
  categoricalHinge,
  cosineSimilarity,
  hinge,
  kullbackLeiblerDivergence,
  logCoshError,
  meanAbsoluteError,
  meanAbsolutePercentageError,
  meanSquaredError,
  meanSquaredLogarithmicError,
  poisson,
  rootMeanSquaredError,
  sparseCategoricalCrossentropy,
  squaredHinge,
} from './mean_errors.js';
export type { Metric, MetricFunction, MetricValue } from './metric.js';
export { perplexity } from './perplexity.js';
export { falseNegatives, falsePositives, precision, recall, trueNegatives, truePositives } from './precision.js';
export { r2Score } from './r2_score.js';
export { precisionAtRecall, recallAtPrecision, sensitivityAtSpecificity, specificityAtSensitivity } from './sensitivity.js';
