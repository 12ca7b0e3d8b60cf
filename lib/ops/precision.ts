/**
 * In what the products of an op are computed. bfloat16: both operands are rounded to bfloat16 (to nearest, ties to even),
 * products are summed in float32; what goes in and comes out is float32. Chosen for a whole program when it is lowered.
 */
export const precision = { type: 'enum', values: ['float32', 'bfloat16'], default: 'float32' } as const;
