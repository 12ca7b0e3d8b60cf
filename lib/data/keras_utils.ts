/** `gs.utils`: what Keras has in `keras.utils` for labels and sequences. */
export { padSequences, type PadSequencesOptions } from './pad_sequences.js';
export { toCategorical } from './to_categorical.js';
