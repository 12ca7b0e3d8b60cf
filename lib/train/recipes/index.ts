/** The namespace `gs.recipes`: what one does around training, in one call each. */
export { baseline, type Baseline, type BaselineOptions, type BaselineTask } from './baseline.js';
export { learningRateFinder, type LearningRateFinderOptions, type LearningRates } from './learning_rate_finder.js';
export { overfitSample, type OverfitOptions, type OverfitResult } from './overfit_sample.js';
