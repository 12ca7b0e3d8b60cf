/** Element types of values. Codes are those of the native `DType` (generated from this table). */

/**
 * Element type of a value: `float64` serves exact sums (metrics) only. Nobody asks for `bfloat16`: it is how some float32
 * values are stored between the instructions of a program in that precision (lib/compile/narrow.ts).
 */
export type DType = 'float32' | 'int32' | 'uint8' | 'float64' | 'bfloat16';

export const DTYPES: Record<DType, { code: number; bytes: number; c: string }> = {
  float32: { code: 0, bytes: 4, c: 'float' },
  int32: { code: 1, bytes: 4, c: 'int32_t' },
  uint8: { code: 2, bytes: 1, c: 'uint8_t' },
  float64: { code: 3, bytes: 8, c: 'double' },
  bfloat16: { code: 4, bytes: 2, c: 'uint16_t' },
};

/** Name used in printed programs. */
export const SHORT_DTYPE: Record<DType, string> = {
  float32: 'f32',
  int32: 'i32',
  uint8: 'u8',
  float64: 'f64',
  bfloat16: 'bf16',
};
