// Generated from scripts/map_chains.json by scripts/generate_map_chains.ts. Do not edit: change the list and run it again.
// clang-format off
#pragma once

#include "generated/args/map.h"
#include "ops/scalar.h"

namespace gradstep::cuda::map_chains {

struct Fill {
  static constexpr uint8_t kTape[] = {0, 1, 64};
  static constexpr int kInputs = 0, kOutputs = 1;
  static __device__ void apply(const float (&)[kMapInputs], const float (&c)[kTapeImmediates], float (&out)[kMapOutputs]) {
    out[0] = c[0];
  }
};

struct Copy {
  static constexpr uint8_t kTape[] = {1, 1, 0, 0, 16};
  static constexpr int kInputs = 1, kOutputs = 1;
  static __device__ void apply(const float (&in)[kMapInputs], const float (&)[kTapeImmediates], float (&out)[kMapOutputs]) {
    const float r0 = scalar::identity(in[0]);
    out[0] = r0;
  }
};

struct Add {
  static constexpr uint8_t kTape[] = {1, 1, 1, 0, 1, 16};
  static constexpr int kInputs = 2, kOutputs = 1;
  static __device__ void apply(const float (&in)[kMapInputs], const float (&)[kTapeImmediates], float (&out)[kMapOutputs]) {
    const float r0 = scalar::add(in[0], in[1]);
    out[0] = r0;
  }
};

struct Sub {
  static constexpr uint8_t kTape[] = {1, 1, 2, 0, 1, 16};
  static constexpr int kInputs = 2, kOutputs = 1;
  static __device__ void apply(const float (&in)[kMapInputs], const float (&)[kTapeImmediates], float (&out)[kMapOutputs]) {
    const float r0 = scalar::sub(in[0], in[1]);
    out[0] = r0;
  }
};

struct Mul {
  static constexpr uint8_t kTape[] = {1, 1, 3, 0, 1, 16};
  static constexpr int kInputs = 2, kOutputs = 1;
  static __device__ void apply(const float (&in)[kMapInputs], const float (&)[kTapeImmediates], float (&out)[kMapOutputs]) {
    const float r0 = scalar::mul(in[0], in[1]);
    out[0] = r0;
  }
};

struct Div {
  static constexpr uint8_t kTape[] = {1, 1, 4, 0, 1, 16};
  static constexpr int kInputs = 2, kOutputs = 1;
  static __device__ void apply(const float (&in)[kMapInputs], const float (&)[kTapeImmediates], float (&out)[kMapOutputs]) {
    const float r0 = scalar::div(in[0], in[1]);
    out[0] = r0;
  }
};

struct Square {
  static constexpr uint8_t kTape[] = {1, 1, 8, 0, 16};
  static constexpr int kInputs = 1, kOutputs = 1;
  static __device__ void apply(const float (&in)[kMapInputs], const float (&)[kTapeImmediates], float (&out)[kMapOutputs]) {
    const float r0 = scalar::square(in[0]);
    out[0] = r0;
  }
};

struct Scale {
  static constexpr uint8_t kTape[] = {1, 1, 3, 0, 64, 16};
  static constexpr int kInputs = 1, kOutputs = 1;
  static __device__ void apply(const float (&in)[kMapInputs], const float (&c)[kTapeImmediates], float (&out)[kMapOutputs]) {
    const float r0 = scalar::mul(in[0], c[0]);
    out[0] = r0;
  }
};

struct ScaleShift {
  static constexpr uint8_t kTape[] = {2, 1, 3, 0, 64, 1, 16, 65, 17};
  static constexpr int kInputs = 1, kOutputs = 1;
  static __device__ void apply(const float (&in)[kMapInputs], const float (&c)[kTapeImmediates], float (&out)[kMapOutputs]) {
    const float r0 = scalar::mul(in[0], c[0]);
    const float r1 = scalar::add(r0, c[1]);
    out[0] = r1;
  }
};

struct Equal {
  static constexpr uint8_t kTape[] = {1, 1, 21, 0, 1, 16};
  static constexpr int kInputs = 2, kOutputs = 1;
  static __device__ void apply(const float (&in)[kMapInputs], const float (&)[kTapeImmediates], float (&out)[kMapOutputs]) {
    const float r0 = scalar::equal(in[0], in[1]);
    out[0] = r0;
  }
};

struct Relu {
  static constexpr uint8_t kTape[] = {1, 1, 15, 0, 16};
  static constexpr int kInputs = 1, kOutputs = 1;
  static __device__ void apply(const float (&in)[kMapInputs], const float (&)[kTapeImmediates], float (&out)[kMapOutputs]) {
    const float r0 = scalar::relu(in[0]);
    out[0] = r0;
  }
};

struct Sigmoid {
  static constexpr uint8_t kTape[] = {1, 1, 17, 0, 16};
  static constexpr int kInputs = 1, kOutputs = 1;
  static __device__ void apply(const float (&in)[kMapInputs], const float (&)[kTapeImmediates], float (&out)[kMapOutputs]) {
    const float r0 = scalar::sigmoid(in[0]);
    out[0] = r0;
  }
};

struct Tanh {
  static constexpr uint8_t kTape[] = {1, 1, 18, 0, 16};
  static constexpr int kInputs = 1, kOutputs = 1;
  static __device__ void apply(const float (&in)[kMapInputs], const float (&)[kTapeImmediates], float (&out)[kMapOutputs]) {
    const float r0 = scalar::tanh(in[0]);
    out[0] = r0;
  }
};

struct ReluGradient {
  static constexpr uint8_t kTape[] = {2, 1, 16, 0, 3, 1, 16, 17};
  static constexpr int kInputs = 2, kOutputs = 1;
  static __device__ void apply(const float (&in)[kMapInputs], const float (&)[kTapeImmediates], float (&out)[kMapOutputs]) {
    const float r0 = scalar::step(in[0]);
    const float r1 = scalar::mul(in[1], r0);
    out[0] = r1;
  }
};

struct DroppedReluGradient {
  static constexpr uint8_t kTape[] = {3, 1, 16, 0, 3, 1, 16, 3, 17, 64, 18};
  static constexpr int kInputs = 2, kOutputs = 1;
  static __device__ void apply(const float (&in)[kMapInputs], const float (&c)[kTapeImmediates], float (&out)[kMapOutputs]) {
    const float r0 = scalar::step(in[0]);
    const float r1 = scalar::mul(in[1], r0);
    const float r2 = scalar::mul(r1, c[0]);
    out[0] = r2;
  }
};

struct SigmoidGradient {
  static constexpr uint8_t kTape[] = {3, 1, 2, 64, 0, 3, 0, 16, 3, 1, 17, 18};
  static constexpr int kInputs = 2, kOutputs = 1;
  static __device__ void apply(const float (&in)[kMapInputs], const float (&c)[kTapeImmediates], float (&out)[kMapOutputs]) {
    const float r0 = scalar::sub(c[0], in[0]);
    const float r1 = scalar::mul(in[0], r0);
    const float r2 = scalar::mul(in[1], r1);
    out[0] = r2;
  }
};

struct TanhGradient {
  static constexpr uint8_t kTape[] = {3, 1, 8, 0, 2, 64, 16, 3, 1, 17, 18};
  static constexpr int kInputs = 2, kOutputs = 1;
  static __device__ void apply(const float (&in)[kMapInputs], const float (&c)[kTapeImmediates], float (&out)[kMapOutputs]) {
    const float r0 = scalar::square(in[0]);
    const float r1 = scalar::sub(c[0], r0);
    const float r2 = scalar::mul(in[1], r1);
    out[0] = r2;
  }
};

struct SquaredError {
  static constexpr uint8_t kTape[] = {2, 1, 2, 0, 1, 8, 16, 17};
  static constexpr int kInputs = 2, kOutputs = 1;
  static __device__ void apply(const float (&in)[kMapInputs], const float (&)[kTapeImmediates], float (&out)[kMapOutputs]) {
    const float r0 = scalar::sub(in[0], in[1]);
    const float r1 = scalar::square(r0);
    out[0] = r1;
  }
};

struct SquaredErrorAndError {
  static constexpr uint8_t kTape[] = {2, 2, 2, 0, 1, 8, 16, 17, 16};
  static constexpr int kInputs = 2, kOutputs = 2;
  static __device__ void apply(const float (&in)[kMapInputs], const float (&)[kTapeImmediates], float (&out)[kMapOutputs]) {
    const float r0 = scalar::sub(in[0], in[1]);
    const float r1 = scalar::square(r0);
    out[0] = r1;
    out[1] = r0;
  }
};

struct SoftmaxGradient {
  static constexpr uint8_t kTape[] = {2, 1, 2, 0, 1, 3, 2, 16, 17};
  static constexpr int kInputs = 3, kOutputs = 1;
  static __device__ void apply(const float (&in)[kMapInputs], const float (&)[kTapeImmediates], float (&out)[kMapOutputs]) {
    const float r0 = scalar::sub(in[0], in[1]);
    const float r1 = scalar::mul(in[2], r0);
    out[0] = r1;
  }
};

struct LogitCrossEntropy {
  static constexpr uint8_t kTape[] = {3, 1, 3, 0, 1, 19, 0, 2, 17, 16, 18};
  static constexpr int kInputs = 2, kOutputs = 1;
  static __device__ void apply(const float (&in)[kMapInputs], const float (&)[kTapeImmediates], float (&out)[kMapOutputs]) {
    const float r0 = scalar::mul(in[0], in[1]);
    const float r1 = scalar::softplus(in[0]);
    const float r2 = scalar::sub(r1, r0);
    out[0] = r2;
  }
};

}  // namespace gradstep::cuda::map_chains

// X(formula) for every chain; kTape holds the key that native/ops/map.cu makes of a tape.
#define GRADSTEP_MAP_CHAINS(X) \
  X(Fill) \
  X(Copy) \
  X(Add) \
  X(Sub) \
  X(Mul) \
  X(Div) \
  X(Square) \
  X(Scale) \
  X(ScaleShift) \
  X(Equal) \
  X(Relu) \
  X(Sigmoid) \
  X(Tanh) \
  X(ReluGradient) \
  X(DroppedReluGradient) \
  X(SigmoidGradient) \
  X(TanhGradient) \
  X(SquaredError) \
  X(SquaredErrorAndError) \
  X(SoftmaxGradient) \
  X(LogitCrossEntropy)
