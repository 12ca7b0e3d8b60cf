/** The namespace `gs.callbacks`: what `fit` takes as `callbacks`. One of your own is an object with the methods of `Callback`. */
export { csvLogger, type CsvLoggerOptions } from './csv_logger.js';
export { diagnostics, type DiagnosticsOptions, type DiagnosticsReport } from '../diagnostics/diagnostics.js';
export type { Finding, FindingKind } from '../diagnostics/findings.js';
export type { LayerDiagnosis, WeightDiagnosis } from '../diagnostics/report.js';
export { earlyStopping, type EarlyStopping, type EarlyStoppingOptions } from './early_stopping.js';
export { learningRateScheduler, type LearningRateSchedulerOptions } from './learning_rate_scheduler.js';
export { modelCheckpoint, type ModelCheckpoint, type ModelCheckpointOptions } from './model_checkpoint.js';
export type { MonitorMode } from './monitor.js';
export { progressBar, type ProgressBarOptions, type TextStream } from './progress_bar.js';
export { reduceLROnPlateau, type ReduceLROnPlateauOptions } from './reduce_lr_on_plateau.js';
export { tensorBoard, type TensorBoardOptions } from './tensor_board.js';
export { terminateOnNaN } from './terminate_on_nan.js';
