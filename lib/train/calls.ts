/** The graph of layers behind a model's outputs: in which order its calls run, and in which order the layers are listed. */
import { GradstepError } from '../errors.js';
import type { Layer } from '../layers/layer.js';
import type { LayerCall, SymbolicTensor } from '../layers/symbolic.js';

export interface Calls {
  /** The calls that lead to the outputs, each after the calls it needs. */
  readonly calls: readonly LayerCall[];
  /**
   * Their layers in Keras's order (`map_graph` in its `ops/function.py`), which is that of weights: by depth, the longest way to an
   * output, then as they are met on the way back from the outputs.
   */
  readonly layers: readonly Layer[];
}

/** ERR_OPTION when the outputs need other inputs than those given. */
export function callsTo(outputs: readonly SymbolicTensor[], inputs: readonly SymbolicTensor[]): Calls {
  const calls = new Set<LayerCall>();
  const met = new Set<Layer>();
  const stack = [...outputs].reverse().map((tensor) => ({ tensor, ready: false }));
  while (stack.length > 0) {
    const { tensor, ready } = stack.pop()!;
    const { source } = tensor;
    if (inputs.includes(tensor)) continue;
    if (!('call' in source)) {
      const name = source.name === undefined ? 'an input' : `the input "${source.name}"`;
      throw new GradstepError('ERR_OPTION', `The outputs depend on ${name} that is not among the model's inputs`);
    }
    if (calls.has(source.call)) continue;
    if (ready) {
      calls.add(source.call);
    } else {
      met.add(source.call.layer);
      stack.push({ tensor, ready: true });
      for (const input of [...source.call.inputs].reverse()) stack.push({ tensor: input, ready: false });
    }
  }
  const depths = depthsOf([...calls], inputs);
  // The sort is stable: equal depths stay as they were met.
  return { calls: [...calls], layers: [...met].sort((a, b) => depths.get(b)! - depths.get(a)!) };
}

/** How far each layer is from the outputs; one that is called several times counts where it is furthest. */
function depthsOf(calls: readonly LayerCall[], inputs: readonly SymbolicTensor[]): Map<Layer, number> {
  const ofCalls = new Map<LayerCall, number>();
  const ofLayers = new Map<Layer, number>();
  for (const call of [...calls].reverse()) {
    const depth = Math.max(ofCalls.get(call) ?? 0, ofLayers.get(call.layer) ?? 0);
    ofLayers.set(call.layer, depth);
    for (const tensor of call.inputs) {
      if (inputs.includes(tensor) || !('call' in tensor.source)) continue;
      const before = tensor.source.call;
      ofCalls.set(before, Math.max(ofCalls.get(before) ?? 0, depth + 1));
    }
  }
  return ofLayers;
}
