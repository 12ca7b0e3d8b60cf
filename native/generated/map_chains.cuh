// Generated from scripts/map_chains.json by scripts/generate_map_chains.ts. Do not edit: change the list and run it again.
// clang-format off
#pragma once

#include "generated/ops.h"
#include "ops/scalar.h"

namespace gradstep::cuda::map_chains {

struct Fill {
  static constexpr int kInputs = 0, kOutputs = 1;
  static __device__ void apply(const float (&)[kMapInputs], const float (&c)[kTapeImmediates], float (&out)[kMapOutputs]) {
    out[0] = c[0];
  }
};

struct Copy {
  static constexpr int kInputs = 1, kOutputs = 1;
  static __device__ void apply(const float (&in)[kMapInputs], const float (&)[kTapeImmediates], float (&out)[kMapOutputs]) {
    const float r0 = scalar::identity(in[0]);
    out[0] = r0;
  }
};

struct Add {
  static constexpr int kInputs = 2, kOutputs = 1;
  static __device__ void apply(const float (&in)[kMapInputs], const float (&)[kTapeImmediates], float (&out)[kMapOutputs]) {
    const float r0 = scalar::add(in[0], in[1]);
    out[0] = r0;
  }
};

struct Sub {
  static constexpr int kInputs = 2, kOutputs = 1;
  static __device__ void apply(const float (&in)[kMapInputs], const float (&)[kTapeImmediates], float (&out)[kMapOutputs]) {
    const float r0 = scalar::sub(in[0], in[1]);
    out[0] = r0;
  }
};

struct Mul {
  static constexpr int kInputs = 2, kOutputs = 1;
  static __device__ void apply(const float (&in)[kMapInputs], const float (&)[kTapeImmediates], float (&out)[kMapOutputs]) {
    const float r0 = scalar::mul(in[0], in[1]);
    out[0] = r0;
  }
};

struct Div {
  static constexpr int kInputs = 2, kOutputs = 1;
  static __device__ void apply(const float (&in)[kMapInputs], const float (&)[kTapeImmediates], float (&out)[kMapOutputs]) {
    const float r0 = scalar::div(in[0], in[1]);
    out[0] = r0;
  }
};

struct Square {
  static constexpr int kInputs = 1, kOutputs = 1;
  static __device__ void apply(const float (&in)[kMapInputs], const float (&)[kTapeImmediates], float (&out)[kMapOutputs]) {
    const float r0 = scalar::square(in[0]);
    out[0] = r0;
  }
};

struct Scale {
  static constexpr int kInputs = 1, kOutputs = 1;
  static __device__ void apply(const float (&in)[kMapInputs], const float (&c)[kTapeImmediates], float (&out)[kMapOutputs]) {
    const float r0 = scalar::mul(in[0], c[0]);
    out[0] = r0;
  }
};

struct ScaleShift {
  static constexpr int kInputs = 1, kOutputs = 1;
  static __device__ void apply(const float (&in)[kMapInputs], const float (&c)[kTapeImmediates], float (&out)[kMapOutputs]) {
    const float r0 = scalar::mul(in[0], c[0]);
    const float r1 = scalar::add(r0, c[1]);
    out[0] = r1;
  }
};

struct Equal {
  static constexpr int kInputs = 2, kOutputs = 1;
  static __device__ void apply(const float (&in)[kMapInputs], const float (&)[kTapeImmediates], float (&out)[kMapOutputs]) {
    const float r0 = scalar::equal(in[0], in[1]);
    out[0] = r0;
  }
};

struct Relu {
  static constexpr int kInputs = 1, kOutputs = 1;
  static __device__ void apply(const float (&in)[kMapInputs], const float (&)[kTapeImmediates], float (&out)[kMapOutputs]) {
    const float r0 = scalar::relu(in[0]);
    out[0] = r0;
  }
};

struct Sigmoid {
  static constexpr int kInputs = 1, kOutputs = 1;
  static __device__ void apply(const float (&in)[kMapInputs], const float (&)[kTapeImmediates], float (&out)[kMapOutputs]) {
    const float r0 = scalar::sigmoid(in[0]);
    out[0] = r0;
  }
};

struct Tanh {
  static constexpr int kInputs = 1, kOutputs = 1;
  static __device__ void apply(const float (&in)[kMapInputs], const float (&)[kTapeImmediates], float (&out)[kMapOutputs]) {
    const float r0 = scalar::tanh(in[0]);
    out[0] = r0;
  }
};

struct ReluGradient {
  static constexpr int kInputs = 2, kOutputs = 1;
  static __device__ void apply(const float (&in)[kMapInputs], const float (&)[kTapeImmediates], float (&out)[kMapOutputs]) {
    const float r0 = scalar::step(in[0]);
    const float r1 = scalar::mul(in[1], r0);
    out[0] = r1;
  }
};

struct SigmoidGradient {
  static constexpr int kInputs = 2, kOutputs = 1;
  static __device__ void apply(const float (&in)[kMapInputs], const float (&c)[kTapeImmediates], float (&out)[kMapOutputs]) {
    const float r0 = scalar::sub(c[0], in[0]);
    const float r1 = scalar::mul(in[0], r0);
    const float r2 = scalar::mul(in[1], r1);
    out[0] = r2;
  }
};

struct TanhGradient {
  static constexpr int kInputs = 2, kOutputs = 1;
  static __device__ void apply(const float (&in)[kMapInputs], const float (&c)[kTapeImmediates], float (&out)[kMapOutputs]) {
    const float r0 = scalar::square(in[0]);
    const float r1 = scalar::sub(c[0], r0);
    const float r2 = scalar::mul(in[1], r1);
    out[0] = r2;
  }
};

struct SquaredError {
  static constexpr int kInputs = 2, kOutputs = 1;
  static __device__ void apply(const float (&in)[kMapInputs], const float (&)[kTapeImmediates], float (&out)[kMapOutputs]) {
    const float r0 = scalar::sub(in[0], in[1]);
    const float r1 = scalar::square(r0);
    out[0] = r1;
  }
};

struct SquaredErrorAndError {
  static constexpr int kInputs = 2, kOutputs = 2;
  static __device__ void apply(const float (&in)[kMapInputs], const float (&)[kTapeImmediates], float (&out)[kMapOutputs]) {
    const float r0 = scalar::sub(in[0], in[1]);
    const float r1 = scalar::square(r0);
    out[0] = r1;
    out[1] = r0;
  }
};

struct SoftmaxGradient {
  static constexpr int kInputs = 3, kOutputs = 1;
  static __device__ void apply(const float (&in)[kMapInputs], const float (&)[kTapeImmediates], float (&out)[kMapOutputs]) {
    const float r0 = scalar::sub(in[0], in[1]);
    const float r1 = scalar::mul(in[2], r0);
    out[0] = r1;
  }
};

struct LogitCrossEntropy {
  static constexpr int kInputs = 2, kOutputs = 1;
  static __device__ void apply(const float (&in)[kMapInputs], const float (&)[kTapeImmediates], float (&out)[kMapOutputs]) {
    const float r0 = scalar::mul(in[0], in[1]);
    const float r1 = scalar::softplus(in[0]);
    const float r2 = scalar::sub(r1, r0);
    out[0] = r2;
  }
};

}  // namespace gradstep::cuda::map_chains

// X(hash of the tape, formula) for every chain.
#define GRADSTEP_MAP_CHAINS(X) \
  X(0xd949ec186c0cb94eull, Fill) \
  X(0x780828b6fe1256adull, Copy) \
  X(0x680645e962c8572full, Add) \
  X(0xc804ade10c8c9decull, Sub) \
  X(0x2810edd8b65cde0dull, Mul) \
  X(0x880f55d0602124caull, Div) \
  X(0xbd53e0b7255215a5ull, Square) \
  X(0x28e6e7d8b7128ec4ull, Scale) \
  X(0xfd9706e3dd7da09aull, ScaleShift) \
  X(0xe870d542a6959bdbull, Equal) \
  X(0x80b183b702fa1ef8ull, Relu) \
  X(0xe4c6ddb6aaaa36f2ull, Sigmoid) \
  X(0xdc1d82b6a5c26ea7ull, Tanh) \
  X(0xc24e2801c928aed7ull, ReluGradient) \
  X(0xb8efe03e44c99141ull, SigmoidGradient) \
  X(0x4f62d4f45ab170d2ull, TanhGradient) \
  X(0x35103627f6cfff64ull, SquaredError) \
  X(0x3e24b4ae89a3ababull, SquaredErrorAndError) \
  X(0x13a38733b0054f0bull, SoftmaxGradient) \
  X(0x64200d1102bb2501ull, LogitCrossEntropy)
