/**
 * The emulation has no clock worth measuring by: of several ways to run a step (native/cuda/ways.h) tests take the first, unless
 * they name another.
 */
process.env.GRADSTEP_CUDA_WAYS ??= 'first';
