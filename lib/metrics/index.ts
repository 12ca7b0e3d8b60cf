/** The namespace `gs.metrics`. */
export {
  accuracy,
  binaryAccuracy,
  categoricalAccuracy,
  sparseCategoricalAccuracy,
  sparseTopKCategoricalAccuracy,
  topKCategoricalAccuracy,
  type BinaryAccuracyOptions,
  type NamedOptions,
  type TopKOptions,
} from './accuracy.js';
export { auc, type AucOptions } from './auc.js';
export { confusionMatrix, type ConfusionMatrixOptions } from './confusion_matrix.js';
export { f1Score, fBetaScore, type F1ScoreOptions, type FBetaScoreOptions } from './f_score.js';
export { fromSums, type FromSumsOptions } from './from_sums.js';
export {
  binaryIoU,
  dice,
  iou,
  meanIoU,
  type BinaryIoUOptions,
  type DiceOptions,
  type IoUOptions,
  type MeanIoUOptions,
} from './iou.js';
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
  type CrossentropyOptions,
  type SmoothedCrossentropyOptions,
} from './mean_errors.js';
export type { Metric, MetricContext, MetricFunction, MetricSetting, MetricValue } from './metric.js';
export { perplexity, type PerplexityOptions } from './perplexity.js';
export {
  falseNegatives,
  falsePositives,
  precision,
  recall,
  trueNegatives,
  truePositives,
  type PrecisionOptions,
  type ThresholdOptions,
} from './precision.js';
export { r2Score, type R2ScoreOptions } from './r2_score.js';
export {
  precisionAtRecall,
  recallAtPrecision,
  sensitivityAtSpecificity,
  specificityAtSensitivity,
  type PrecisionAtRecallOptions,
  type RecallAtPrecisionOptions,
  type SensitivityAtSpecificityOptions,
  type SpecificityAtSensitivityOptions,
} from './sensitivity.js';
