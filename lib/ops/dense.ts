/**
 * dense: y = activation(x·w + bias), which may also leave aux, what the activation's slope follows from. denseDx: the way back,
 * dx = (dy·wᵀ) times the slope of the activation below, read from its aux, and sums, of dx's columns: the gradient of the bias
 * below. denseDw: dw = xᵀ·dy, and dbias, the sums of dy's columns. For CUDA only, where the library of products has each as one
 * kernel; lib/compile/fuse_dense.ts makes them.
 *
 * dense x [m, k], w [k, n], bias [n], y [m, n]; denseDx dy [m, k], w [n, k], dx [m, n], sums [n]; denseDw x [m, k], dy [m, n],
 * dw [k, n], dbias [n]. aux is opaque to all but these two. Of relu
 * it has one bit an element, whether y is above 0, in rows of 128 bits and multiples, as int32 [m, bitWords(n)]; of gelu (the
 * form with tanh) the sums before it, float32 [m, n]. Beside a y in bfloat16 bias may be so, too, as the library wants it
 * there: it is then added with 8 bits of mantissa, as under PyTorch's autocast.
 */
import { defineOp, type TensorType } from '../graph/define_op.js';
import { precision } from './precision.js';

/** Numbers of 32 bits in a row of so many bits. */
export function bitWords(bits: number): number {
  return 4 * Math.ceil(bits / 128);
}

const matrix = (rows: number, columns: number): TensorType => ({ dtype: 'float32', shape: [rows, columns] });
const row = (size: number): TensorType => ({ dtype: 'float32', shape: [size] });

const float = { dtypes: ['float32'] } as const;
const layered = { dtypes: ['float32', 'bfloat16'] } as const;
const attrs = { activation: { type: 'enum', values: ['relu', 'gelu'] }, precision } as const;
const layerAttrs = { activation: { type: 'enum', values: ['relu', 'gelu', 'linear'] }, precision } as const;

export const denseOp = defineOp({
  name: 'dense',
  inputs: { x: layered, w: layered, bias: { ...layered, optional: true } },
  outputs: { y: layered, aux: { dtypes: ['int32', 'float32'], optional: true } },
  attrs: layerAttrs,
  infer({ x, w }, { activation }) {
    const y = matrix(x!.shape[0]!, w!.shape[1]!);
    const bits: TensorType = { dtype: 'int32', shape: [y.shape[0]!, bitWords(y.shape[1]!)] };
    return { y, aux: activation === 'relu' ? bits : y };
  },
  backends: ['cuda'],
});

export const denseDxOp = defineOp({
  name: 'denseDx',
  inputs: { dy: layered, w: layered, aux: { dtypes: ['int32', 'float32'] } },
  outputs: { dx: layered, sums: { ...float, optional: true } },
  attrs,
  infer: ({ dy, w }) => ({ dx: matrix(dy!.shape[0]!, w!.shape[0]!), sums: row(w!.shape[0]!) }),
  backends: ['cuda'],
});

export const denseDwOp = defineOp({
  name: 'denseDw',
  inputs: { x: layered, dy: layered },
  outputs: { dw: float, dbias: float },
  attrs: { precision },
  infer: ({ x, dy }) => ({ dw: matrix(x!.shape[1]!, dy!.shape[1]!), dbias: row(dy!.shape[1]!) }),
  backends: ['cuda'],
});
