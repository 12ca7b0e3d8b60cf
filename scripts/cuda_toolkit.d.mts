/** Types of scripts/cuda_toolkit.mjs. */
export function cudaToolkit(): string;
