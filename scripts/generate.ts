/**
 * Writes native/generated/ from the op table: argument structs with checked layouts, op codes, the declarations every
 * backend must define, the descriptors the verifier reads, the list of scalar functions. Run it with `npm run generate`
 * after changing an op's signature; `npm run check` fails when the files are not current.
 */
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import {
  DIMS_BYTES,
  FORMAT,
  MAGIC,
  opTableHash,
  structLayout,
  TAPE_BYTES,
  TENSOR_BYTES,
  type Field,
} from '../lib/compile/encode.js';
import type { OpDef } from '../lib/graph/define_op.js';
import { DTYPES, type DType } from '../lib/graph/dtype.js';
import { MAX_RANK } from '../lib/graph/shape.js';
import { IMMEDIATE, MAP_INPUTS, MAP_OUTPUTS, REGISTER, TAPE_CODE, TAPE_IMMEDIATES } from '../lib/ops/map.js';
import { ARITIES, SCALAR_NAMES } from '../lib/ops/scalar_table.js';
import { OP_TABLE } from '../lib/ops/table.js';
import { opFiles } from './op_files.js';
import { writeChanged } from './write_changed.js';

const folder = fileURLToPath(new URL('../native/generated/', import.meta.url));
const note = '// Generated from the op table by scripts/generate.ts. Do not edit: change the table and run `npm run generate`.\n';

/** Files of lib/ops, each with its ops in the order of the table. */
const FILES = (() => {
  let code = 0;
  return opFiles().map(({ stem, ops }) => ({ stem, ops: ops.map(() => OP_TABLE[code++]!) }));
})();

const snake = (name: string): string => name.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`);
const pascal = (name: string): string => name[0]!.toUpperCase() + name.slice(1);

function cType(field: Field): string {
  if (field.kind === 'input' || field.kind === 'output') return 'Tensor';
  if (field.kind === 'accumulate') return 'int32_t';
  return { i32: 'int32_t', u32: 'uint32_t', f32: 'float', enum: 'int32_t', dims: 'Dims', tape: 'Tape' }[field.spec.type];
}

function enums(op: OpDef): string {
  return Object.entries(op.attrs)
    .flatMap(([name, spec]) =>
      spec.type === 'enum'
        ? [`  enum ${pascal(name)} : int32_t { ${spec.values.map((v) => `k${pascal(name)}${pascal(v)}`).join(', ')} };`]
        : [],
    )
    .join('\n');
}

function struct(op: OpDef): string {
  const { fields, bytes } = structLayout(op);
  const type = `${pascal(op.name)}Args`;
  const members = fields.map((f) => `  ${cType(f)} ${snake(f.name)};`);
  const asserts = fields.map((f) => `static_assert(offsetof(${type}, ${snake(f.name)}) == ${f.offset}, "layout");`);
  return [
    `struct alignas(8) ${type} {`,
    ...(enums(op) ? [enums(op)] : []),
    ...members,
    '};',
    ...asserts,
    `static_assert(sizeof(${type}) == ${bytes}, "layout");`,
  ].join('\n');
}

/** What every op's arguments are made of. */
function tensorHeader(): string {
  return `${note}#pragma once

#include <cstddef>
#include <cstdint>

namespace gradstep {

constexpr int kMaxRank = ${MAX_RANK};
constexpr int kMapInputs = ${MAP_INPUTS};
constexpr int kMapOutputs = ${MAP_OUTPUTS};
constexpr int kTapeCode = ${TAPE_CODE};
constexpr int kTapeImmediates = ${TAPE_IMMEDIATES};
constexpr int kTapeRegister = ${REGISTER};
constexpr int kTapeImmediate = ${IMMEDIATE};

enum class DType : uint32_t { ${(Object.keys(DTYPES) as DType[]).map((n) => `k${pascal(n)}`).join(', ')} };
enum class Region : uint32_t { kNone, kPersistent, kScratch };

struct Dims {
  int32_t rank;
  int32_t d[kMaxRank];
};
static_assert(sizeof(Dims) == ${DIMS_BYTES}, "layout");

// Where a tensor lies and what it is. Region kNone: an optional tensor that is absent.
struct Tensor {
  Region region;
  DType dtype;
  uint64_t offset;
  int32_t rank;
  int32_t dims[kMaxRank];

  bool present() const { return region != Region::kNone; }
  int64_t size() const {
    int64_t n = 1;
    for (int i = 0; i < rank; i++) n *= dims[i];
    return n;
  }
};
static_assert(sizeof(Tensor) == ${TENSOR_BYTES}, "layout");

// The program of a map: see lib/ops/map.ts.
struct Tape {
  int32_t instructions;
  int32_t immediate_count;
  int32_t result_count;
  uint8_t code[kTapeCode][4];
  float immediates[kTapeImmediates];
  int32_t results[kMapOutputs];
};
static_assert(sizeof(Tape) == ${TAPE_BYTES}, "layout");

}  // namespace gradstep
`;
}

/** The arguments of the ops of one file of lib/ops: all that its kernels include, so that a new op recompiles no other. */
function argsHeader(ops: readonly OpDef[]): string {
  return `${note}#pragma once

#include "generated/tensor.h"

namespace gradstep {

${ops.map(struct).join('\n\n')}

}  // namespace gradstep
`;
}

function opsHeader(): string {
  return `${note}#pragma once

${FILES.map(({ stem }) => `#include "generated/args/${stem}.h"`).join('\n')}

namespace gradstep {

constexpr uint32_t kMagic = 0x${MAGIC.toString(16)};
constexpr uint32_t kFormat = ${FORMAT};
constexpr uint64_t kOpTableHash = 0x${opTableHash()}ull;

// X(code, struct, function) for every op.
#define GRADSTEP_OPS(X) \\
${OP_TABLE.map((op, i) => `  X(${i}, ${pascal(op.name)}Args, ${snake(op.name)})`).join(' \\\n')}

constexpr uint32_t kOpCount = ${OP_TABLE.length};

}  // namespace gradstep
`;
}

function scalarsHeader(): string {
  return `${note}#pragma once

// X(code, function, number of operands) for every scalar function a map can evaluate; formulas: native/ops/scalar.h.
#define GRADSTEP_SCALARS(X) \\
${SCALAR_NAMES.map((name, i) => `  X(${i}, ${snake(name)}, ${ARITIES[name]})`).join(' \\\n')}
`;
}

function opInfo(): string {
  const dtypes = (list: readonly DType[]): string => String(list.reduce((mask, d) => mask | (1 << DTYPES[d].code), 0));
  const info = OP_TABLE.map((op) => {
    const { fields, bytes } = structLayout(op);
    const rows = fields.map((f) => {
      if (f.kind === 'input') {
        const spec = op.inputs[f.name]!;
        const role = spec.mutated ? 'kMutated' : 'kInput';
        return `{"${f.name}", FieldRole::${role}, ${f.offset}, ${dtypes(spec.dtypes)}, ${spec.optional ? 'true' : 'false'}, 0, {}}`;
      }
      if (f.kind === 'output') {
        const spec = op.outputs[f.name]!;
        const names = Object.keys(op.inputs);
        const inPlace = (spec.inPlace ?? []).reduce((mask, n) => mask | (1 << names.indexOf(n)), 0);
        return `{"${f.name}", FieldRole::kOutput, ${f.offset}, ${dtypes(spec.dtypes)}, ${spec.optional ? 'true' : 'false'}, ${inPlace}, {}}`;
      }
      if (f.kind === 'accumulate') return `{"${f.output}", FieldRole::kAccumulate, ${f.offset}, 0, false, 2, {}}`;
      const role = { i32: 'kInt', u32: 'kInt', f32: 'kFloat', enum: 'kEnum', dims: 'kDims', tape: 'kTape' }[f.spec.type];
      const count = f.spec.type === 'enum' ? f.spec.values.length : 0;
      return `{"${f.name}", FieldRole::${role}, ${f.offset}, 0, false, ${count}, {}}`;
    });
    return `    {"${op.name}", ${bytes}, {\n${rows.map((r) => `        ${r.replace(', {}}', '}')},`).join('\n')}\n    }},`;
  });
  return `${note}#include "core/op_info.h"

namespace gradstep {

const std::vector<OpInfo>& op_table() {
  static const std::vector<OpInfo> table = {
${info.join('\n')}
  };
  return table;
}

}  // namespace gradstep
`;
}

function declarations(backend: 'cpu' | 'cuda'): string {
  const ops = OP_TABLE.map((op, code) => ({ op, code })).filter(({ op }) => op.backends.includes(backend));
  const others = OP_TABLE.filter((op) => !op.backends.includes(backend));
  return `${note}#pragma once

// What the ${backend} backend must define: one function an op, which picks algorithms and returns a step that only launches.
#include <string>

#include "${backend}/prepare.h"
#include "core/error.h"
#include "generated/ops.h"

namespace gradstep::${backend} {

${ops.map(({ op }) => `Step ${snake(op.name)}(Prepare& prepare, const ${pascal(op.name)}Args& args);`).join('\n')}
${others.length ? `\n// Not on this backend: ${others.map((o) => o.name).join(', ')}.\n` : ''}
// The step of an op of the table by its code; \`args\` is the op's argument struct.
inline Step prepare_step(Prepare& prepare, uint32_t op, const void* args) {
  switch (op) {
${ops.map(({ op, code }) => `    case ${code}: return ${snake(op.name)}(prepare, *static_cast<const ${pascal(op.name)}Args*>(args));`).join('\n')}
  }
  throw Error("ERR_PROGRAM", "The ${backend} backend has no op of code " + std::to_string(op));
}

}  // namespace gradstep::${backend}
`;
}

const files: Record<string, string> = {
  'tensor.h': tensorHeader(),
  ...Object.fromEntries(FILES.map(({ stem, ops }) => [`args/${stem}.h`, argsHeader(ops)])),
  'ops.h': opsHeader(),
  'scalars.h': scalarsHeader(),
  'op_info.cc': opInfo(),
  'cpu_ops.h': declarations('cpu'),
  'cuda_ops.h': declarations('cuda'),
};
mkdirSync(`${folder}args`, { recursive: true });
for (const name of readdirSync(`${folder}args`)) if (!(`args/${name}` in files)) rmSync(`${folder}args/${name}`);
for (const [name, text] of Object.entries(files)) writeChanged(folder + name, text);
