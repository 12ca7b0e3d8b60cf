/**
 * In what the products of an op are computed. Operands are rounded to nearest, to TF32 (11 bits of mantissa, ties away from
 * zero) or bfloat16 (8 bits, ties to even), products are summed in float32; what goes in and comes out is float32. Chosen for a
 * whole program when it is lowered. The CPU has no unit for TF32 and computes such products in float32.
 */
export const PRECISIONS = ['float32', 'tf32', 'bfloat16'] as const;
export type Precision = (typeof PRECISIONS)[number];

export const precision = { type: 'enum', values: PRECISIONS, default: 'float32' } as const;
