/**
 * The layer rules: the tree keeps them, and each rule notices its breach.
 */
import { expect } from 'chai';
import { fileURLToPath } from 'node:url';
import { checkLayers, readTree } from '../scripts/check_layers.js';

const one = (path: string, text: string): string[] => checkLayers(new Map([[path, text]]));

describe('layer rules', () => {
  it('hold in this tree', () => {
    const files = readTree(fileURLToPath(new URL('../', import.meta.url)));
    expect(files.has('lib/graph/graph.ts')).to.equal(true);
    expect(files.has('native/core/backend.h')).to.equal(true);
    expect(checkLayers(files)).to.deep.equal([]);
  });

  const breaches: [string, string, string, RegExp][] = [
    ['an op that imports a layer', 'lib/ops/x.ts', `import { dense } from '../layers/dense.js';`, /ops may not import layers/],
    [
      'a layer that imports the compiler',
      'lib/layers/x.ts',
      `import type { Program } from '../compile/program.js';`,
      /layers may not import compile/,
    ],
    [
      'a loss that imports the runtime',
      'lib/losses/x.ts',
      `export * from '../runtime/session.js';`,
      /losses may not import runtime/,
    ],
    [
      'an import over several lines',
      'lib/graph/x.ts',
      `import {\n  a,\n  b,\n} from '../ops/map.js';`,
      /graph may not import ops/,
    ],
    ['a dynamic import', 'lib/errors.ts', `const x = await import('./train/model.js');`, /errors may not import train/],
    [
      'an import from outside lib',
      'lib/train/x.ts',
      `import { y } from '../../test/helpers/y.js';`,
      /may not import test\/helpers\/y\.ts/,
    ],
    ['a new dependency', 'lib/data/x.ts', `import parse from 'papaparse';`, /may not depend on papaparse/],
    ['a package outside its folder', 'lib/train/x.ts', `const s = await import('sharp');`, /only data may import sharp/],
    ['a second loader', 'lib/runtime/session.ts', `import load from 'node-gyp-build';`, /only lib\/runtime\/native\.ts may load/],
    [
      'the native interface in a layer',
      'lib/layers/x.ts',
      `import type { NativeSession } from '../../binding.js';`,
      /only runtime and train/,
    ],
    ['a folder without a rule', 'lib/misc/x.ts', ``, /no layer rule names misc/],
    ['Node-API in core', 'native/core/x.cc', `#include <napi.h>`, /only binding may include headers of Node-API/],
    ['oneDNN in core', 'native/core/x.h', `#include <oneapi/dnnl/dnnl.hpp>`, /oneDNN/],
    ['CUDA in core', 'native/core/x.h', `#include <cuda_runtime.h>`, /CUDA/],
    ['a CPU header in a CUDA kernel', 'native/ops/x.cu', `#include "cpu/prepare.h"`, /ops\.cu may not include cpu\/prepare\.h/],
    ['a CUDA header in a shared formula', 'native/ops/x.h', `#include "cuda/launch.h"`, /ops\.h may not include cuda\/launch\.h/],
    ['oneDNN in a CUDA kernel', 'native/ops/x.cu', `#include "dnnl.hpp"`, /only cpu, ops\.cc may include headers of oneDNN/],
    ['a backend in the binding', 'native/binding/x.cc', `#include "cpu/backend.h"`, /binding may not include cpu\/backend\.h/],
    [
      'declarations of the other backend',
      'native/ops/x.cc',
      `#include "generated/cuda_ops.h"`,
      /may not include generated\/cuda_ops\.h/,
    ],
  ];
  for (const [what, path, text, message] of breaches) {
    it(`refuse ${what}`, () => {
      const problems = one(path, text);
      expect(problems).to.have.length(1);
      expect(problems[0]).to.match(message);
    });
  }

  it('allow what the layers need', () => {
    expect(
      one('lib/layers/x.ts', `import { matmul } from '../ops/matmul.js';\nimport { GradstepError } from '../errors.js';`),
    ).to.deep.equal([]);
    expect(
      one('lib/runtime/native.ts', `import load from 'node-gyp-build';\nimport type { NativeAddon } from '../../binding.js';`),
    ).to.deep.equal([]);
    expect(one('lib/data/x.ts', `import { parse } from 'csv-parse';\nimport zlib from 'node:zlib';`)).to.deep.equal([]);
    expect(
      one('native/ops/x.cc', `#include <vector>\n#include "cpu/prepare.h"\n#include "ops/x.h"\n#include <dnnl.hpp>`),
    ).to.deep.equal([]);
    expect(one('native/ops/x.cu', `#include <cuda_runtime.h>\n#include "cuda/prepare.h"\n#include "ops/x.h"`)).to.deep.equal([]);
    expect(one('native/binding/x.cc', `#include <napi.h>\n#include "core/backend.h"`)).to.deep.equal([]);
  });
});
