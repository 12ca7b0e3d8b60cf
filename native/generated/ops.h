// Generated from the op table by scripts/generate.ts. Do not edit: change the table and run `npm run generate`.
#pragma once

#include <cstddef>
#include <cstdint>

namespace gradstep {

constexpr uint32_t kMagic = 0x31505347;
constexpr uint32_t kFormat = 1;
constexpr uint64_t kOpTableHash = 0x9eeac806f5630b76ull;
constexpr int kMaxRank = 6;
constexpr int kMapInputs = 8;
constexpr int kMapOutputs = 4;
constexpr int kTapeCode = 32;
constexpr int kTapeImmediates = 16;
constexpr int kTapeRegister = 16;
constexpr int kTapeImmediate = 64;

enum class DType : uint32_t { kFloat32, kInt32, kUint8, kFloat64 };
enum class Region : uint32_t { kNone, kPersistent, kScratch };

struct Dims {
  int32_t rank;
  int32_t d[kMaxRank];
};
static_assert(sizeof(Dims) == 28, "layout");

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
static_assert(sizeof(Tensor) == 48, "layout");

// The program of a map: see lib/ops/map.ts.
struct Tape {
  int32_t instructions;
  int32_t immediate_count;
  int32_t result_count;
  uint8_t code[kTapeCode][4];
  float immediates[kTapeImmediates];
  int32_t results[kMapOutputs];
};
static_assert(sizeof(Tape) == 220, "layout");

struct alignas(8) AdadeltaArgs {
  Tensor params;
  Tensor grads;
  Tensor mean_square;
  Tensor mean_square_move;
  Tensor learning_rate;
  Tensor flag;
  float rho;
  float epsilon;
};
static_assert(offsetof(AdadeltaArgs, params) == 0, "layout");
static_assert(offsetof(AdadeltaArgs, grads) == 48, "layout");
static_assert(offsetof(AdadeltaArgs, mean_square) == 96, "layout");
static_assert(offsetof(AdadeltaArgs, mean_square_move) == 144, "layout");
static_assert(offsetof(AdadeltaArgs, learning_rate) == 192, "layout");
static_assert(offsetof(AdadeltaArgs, flag) == 240, "layout");
static_assert(offsetof(AdadeltaArgs, rho) == 288, "layout");
static_assert(offsetof(AdadeltaArgs, epsilon) == 292, "layout");
static_assert(sizeof(AdadeltaArgs) == 296, "layout");

struct alignas(8) AdagradArgs {
  Tensor params;
  Tensor grads;
  Tensor sum;
  Tensor learning_rate;
  Tensor flag;
  float initial;
  float epsilon;
};
static_assert(offsetof(AdagradArgs, params) == 0, "layout");
static_assert(offsetof(AdagradArgs, grads) == 48, "layout");
static_assert(offsetof(AdagradArgs, sum) == 96, "layout");
static_assert(offsetof(AdagradArgs, learning_rate) == 144, "layout");
static_assert(offsetof(AdagradArgs, flag) == 192, "layout");
static_assert(offsetof(AdagradArgs, initial) == 240, "layout");
static_assert(offsetof(AdagradArgs, epsilon) == 244, "layout");
static_assert(sizeof(AdagradArgs) == 248, "layout");

struct alignas(8) AdamArgs {
  Tensor params;
  Tensor grads;
  Tensor m;
  Tensor v;
  Tensor v_max;
  Tensor learning_rate;
  Tensor state;
  Tensor flag;
  float beta1;
  float beta2;
  float epsilon;
  float weight_decay;
};
static_assert(offsetof(AdamArgs, params) == 0, "layout");
static_assert(offsetof(AdamArgs, grads) == 48, "layout");
static_assert(offsetof(AdamArgs, m) == 96, "layout");
static_assert(offsetof(AdamArgs, v) == 144, "layout");
static_assert(offsetof(AdamArgs, v_max) == 192, "layout");
static_assert(offsetof(AdamArgs, learning_rate) == 240, "layout");
static_assert(offsetof(AdamArgs, state) == 288, "layout");
static_assert(offsetof(AdamArgs, flag) == 336, "layout");
static_assert(offsetof(AdamArgs, beta1) == 384, "layout");
static_assert(offsetof(AdamArgs, beta2) == 388, "layout");
static_assert(offsetof(AdamArgs, epsilon) == 392, "layout");
static_assert(offsetof(AdamArgs, weight_decay) == 396, "layout");
static_assert(sizeof(AdamArgs) == 400, "layout");

struct alignas(8) AdamaxArgs {
  Tensor params;
  Tensor grads;
  Tensor m;
  Tensor u;
  Tensor learning_rate;
  Tensor state;
  Tensor flag;
  float beta1;
  float beta2;
  float epsilon;
};
static_assert(offsetof(AdamaxArgs, params) == 0, "layout");
static_assert(offsetof(AdamaxArgs, grads) == 48, "layout");
static_assert(offsetof(AdamaxArgs, m) == 96, "layout");
static_assert(offsetof(AdamaxArgs, u) == 144, "layout");
static_assert(offsetof(AdamaxArgs, learning_rate) == 192, "layout");
static_assert(offsetof(AdamaxArgs, state) == 240, "layout");
static_assert(offsetof(AdamaxArgs, flag) == 288, "layout");
static_assert(offsetof(AdamaxArgs, beta1) == 336, "layout");
static_assert(offsetof(AdamaxArgs, beta2) == 340, "layout");
static_assert(offsetof(AdamaxArgs, epsilon) == 344, "layout");
static_assert(sizeof(AdamaxArgs) == 352, "layout");

struct alignas(8) ArgmaxArgs {
  Tensor x;
  Tensor y;
};
static_assert(offsetof(ArgmaxArgs, x) == 0, "layout");
static_assert(offsetof(ArgmaxArgs, y) == 48, "layout");
static_assert(sizeof(ArgmaxArgs) == 96, "layout");

struct alignas(8) AveragePool2dArgs {
  Tensor x;
  Tensor y;
  int32_t pool_h;
  int32_t pool_w;
  int32_t stride_h;
  int32_t stride_w;
  int32_t pad_top;
  int32_t pad_bottom;
  int32_t pad_left;
  int32_t pad_right;
};
static_assert(offsetof(AveragePool2dArgs, x) == 0, "layout");
static_assert(offsetof(AveragePool2dArgs, y) == 48, "layout");
static_assert(offsetof(AveragePool2dArgs, pool_h) == 96, "layout");
static_assert(offsetof(AveragePool2dArgs, pool_w) == 100, "layout");
static_assert(offsetof(AveragePool2dArgs, stride_h) == 104, "layout");
static_assert(offsetof(AveragePool2dArgs, stride_w) == 108, "layout");
static_assert(offsetof(AveragePool2dArgs, pad_top) == 112, "layout");
static_assert(offsetof(AveragePool2dArgs, pad_bottom) == 116, "layout");
static_assert(offsetof(AveragePool2dArgs, pad_left) == 120, "layout");
static_assert(offsetof(AveragePool2dArgs, pad_right) == 124, "layout");
static_assert(sizeof(AveragePool2dArgs) == 128, "layout");

struct alignas(8) AveragePool2dDxArgs {
  Tensor dy;
  Tensor dx;
  int32_t pool_h;
  int32_t pool_w;
  int32_t stride_h;
  int32_t stride_w;
  int32_t pad_top;
  int32_t pad_bottom;
  int32_t pad_left;
  int32_t pad_right;
  Dims shape;
};
static_assert(offsetof(AveragePool2dDxArgs, dy) == 0, "layout");
static_assert(offsetof(AveragePool2dDxArgs, dx) == 48, "layout");
static_assert(offsetof(AveragePool2dDxArgs, pool_h) == 96, "layout");
static_assert(offsetof(AveragePool2dDxArgs, pool_w) == 100, "layout");
static_assert(offsetof(AveragePool2dDxArgs, stride_h) == 104, "layout");
static_assert(offsetof(AveragePool2dDxArgs, stride_w) == 108, "layout");
static_assert(offsetof(AveragePool2dDxArgs, pad_top) == 112, "layout");
static_assert(offsetof(AveragePool2dDxArgs, pad_bottom) == 116, "layout");
static_assert(offsetof(AveragePool2dDxArgs, pad_left) == 120, "layout");
static_assert(offsetof(AveragePool2dDxArgs, pad_right) == 124, "layout");
static_assert(offsetof(AveragePool2dDxArgs, shape) == 128, "layout");
static_assert(sizeof(AveragePool2dDxArgs) == 160, "layout");

struct alignas(8) Conv2dArgs {
  enum Activation : int32_t { kActivationLinear, kActivationRelu };
  Tensor x;
  Tensor w;
  Tensor bias;
  Tensor y;
  int32_t stride_h;
  int32_t stride_w;
  int32_t dilation_h;
  int32_t dilation_w;
  int32_t pad_top;
  int32_t pad_bottom;
  int32_t pad_left;
  int32_t pad_right;
  int32_t activation;
};
static_assert(offsetof(Conv2dArgs, x) == 0, "layout");
static_assert(offsetof(Conv2dArgs, w) == 48, "layout");
static_assert(offsetof(Conv2dArgs, bias) == 96, "layout");
static_assert(offsetof(Conv2dArgs, y) == 144, "layout");
static_assert(offsetof(Conv2dArgs, stride_h) == 192, "layout");
static_assert(offsetof(Conv2dArgs, stride_w) == 196, "layout");
static_assert(offsetof(Conv2dArgs, dilation_h) == 200, "layout");
static_assert(offsetof(Conv2dArgs, dilation_w) == 204, "layout");
static_assert(offsetof(Conv2dArgs, pad_top) == 208, "layout");
static_assert(offsetof(Conv2dArgs, pad_bottom) == 212, "layout");
static_assert(offsetof(Conv2dArgs, pad_left) == 216, "layout");
static_assert(offsetof(Conv2dArgs, pad_right) == 220, "layout");
static_assert(offsetof(Conv2dArgs, activation) == 224, "layout");
static_assert(sizeof(Conv2dArgs) == 232, "layout");

struct alignas(8) Conv2dDxArgs {
  Tensor dy;
  Tensor w;
  Tensor dx;
  int32_t accumulate_dx;
  int32_t stride_h;
  int32_t stride_w;
  int32_t dilation_h;
  int32_t dilation_w;
  int32_t pad_top;
  int32_t pad_bottom;
  int32_t pad_left;
  int32_t pad_right;
  Dims shape;
};
static_assert(offsetof(Conv2dDxArgs, dy) == 0, "layout");
static_assert(offsetof(Conv2dDxArgs, w) == 48, "layout");
static_assert(offsetof(Conv2dDxArgs, dx) == 96, "layout");
static_assert(offsetof(Conv2dDxArgs, accumulate_dx) == 144, "layout");
static_assert(offsetof(Conv2dDxArgs, stride_h) == 148, "layout");
static_assert(offsetof(Conv2dDxArgs, stride_w) == 152, "layout");
static_assert(offsetof(Conv2dDxArgs, dilation_h) == 156, "layout");
static_assert(offsetof(Conv2dDxArgs, dilation_w) == 160, "layout");
static_assert(offsetof(Conv2dDxArgs, pad_top) == 164, "layout");
static_assert(offsetof(Conv2dDxArgs, pad_bottom) == 168, "layout");
static_assert(offsetof(Conv2dDxArgs, pad_left) == 172, "layout");
static_assert(offsetof(Conv2dDxArgs, pad_right) == 176, "layout");
static_assert(offsetof(Conv2dDxArgs, shape) == 180, "layout");
static_assert(sizeof(Conv2dDxArgs) == 208, "layout");

struct alignas(8) Conv2dDwArgs {
  enum WithBias : int32_t { kWithBiasNo, kWithBiasYes };
  Tensor x;
  Tensor dy;
  Tensor dw;
  Tensor db;
  int32_t accumulate_dw;
  int32_t stride_h;
  int32_t stride_w;
  int32_t dilation_h;
  int32_t dilation_w;
  int32_t pad_top;
  int32_t pad_bottom;
  int32_t pad_left;
  int32_t pad_right;
  Dims shape;
  int32_t with_bias;
};
static_assert(offsetof(Conv2dDwArgs, x) == 0, "layout");
static_assert(offsetof(Conv2dDwArgs, dy) == 48, "layout");
static_assert(offsetof(Conv2dDwArgs, dw) == 96, "layout");
static_assert(offsetof(Conv2dDwArgs, db) == 144, "layout");
static_assert(offsetof(Conv2dDwArgs, accumulate_dw) == 192, "layout");
static_assert(offsetof(Conv2dDwArgs, stride_h) == 196, "layout");
static_assert(offsetof(Conv2dDwArgs, stride_w) == 200, "layout");
static_assert(offsetof(Conv2dDwArgs, dilation_h) == 204, "layout");
static_assert(offsetof(Conv2dDwArgs, dilation_w) == 208, "layout");
static_assert(offsetof(Conv2dDwArgs, pad_top) == 212, "layout");
static_assert(offsetof(Conv2dDwArgs, pad_bottom) == 216, "layout");
static_assert(offsetof(Conv2dDwArgs, pad_left) == 220, "layout");
static_assert(offsetof(Conv2dDwArgs, pad_right) == 224, "layout");
static_assert(offsetof(Conv2dDwArgs, shape) == 228, "layout");
static_assert(offsetof(Conv2dDwArgs, with_bias) == 256, "layout");
static_assert(sizeof(Conv2dDwArgs) == 264, "layout");

struct alignas(8) DropoutArgs {
  Tensor x;
  Tensor state;
  Tensor y;
  float rate;
  uint32_t stream;
};
static_assert(offsetof(DropoutArgs, x) == 0, "layout");
static_assert(offsetof(DropoutArgs, state) == 48, "layout");
static_assert(offsetof(DropoutArgs, y) == 96, "layout");
static_assert(offsetof(DropoutArgs, rate) == 144, "layout");
static_assert(offsetof(DropoutArgs, stream) == 148, "layout");
static_assert(sizeof(DropoutArgs) == 152, "layout");

struct alignas(8) GatherArgs {
  enum Source : int32_t { kSourceFloat32, kSourceInt32, kSourceUint8 };
  enum Dtype : int32_t { kDtypeFloat32, kDtypeInt32 };
  Tensor state;
  Tensor flag;
  Tensor y;
  int32_t slot;
  int32_t index_slot;
  int32_t source;
  int32_t dtype;
  Dims shape;
};
static_assert(offsetof(GatherArgs, state) == 0, "layout");
static_assert(offsetof(GatherArgs, flag) == 48, "layout");
static_assert(offsetof(GatherArgs, y) == 96, "layout");
static_assert(offsetof(GatherArgs, slot) == 144, "layout");
static_assert(offsetof(GatherArgs, index_slot) == 148, "layout");
static_assert(offsetof(GatherArgs, source) == 152, "layout");
static_assert(offsetof(GatherArgs, dtype) == 156, "layout");
static_assert(offsetof(GatherArgs, shape) == 160, "layout");
static_assert(sizeof(GatherArgs) == 192, "layout");

struct alignas(8) ScatterArgs {
  Tensor x;
  Tensor state;
  Tensor flag;
  int32_t slot;
};
static_assert(offsetof(ScatterArgs, x) == 0, "layout");
static_assert(offsetof(ScatterArgs, state) == 48, "layout");
static_assert(offsetof(ScatterArgs, flag) == 96, "layout");
static_assert(offsetof(ScatterArgs, slot) == 144, "layout");
static_assert(sizeof(ScatterArgs) == 152, "layout");

struct alignas(8) AdvanceArgs {
  Tensor state;
  int32_t steps;
  int32_t rows;
};
static_assert(offsetof(AdvanceArgs, state) == 0, "layout");
static_assert(offsetof(AdvanceArgs, steps) == 48, "layout");
static_assert(offsetof(AdvanceArgs, rows) == 52, "layout");
static_assert(sizeof(AdvanceArgs) == 56, "layout");

struct alignas(8) LionArgs {
  Tensor params;
  Tensor grads;
  Tensor m;
  Tensor learning_rate;
  Tensor flag;
  float beta1;
  float beta2;
};
static_assert(offsetof(LionArgs, params) == 0, "layout");
static_assert(offsetof(LionArgs, grads) == 48, "layout");
static_assert(offsetof(LionArgs, m) == 96, "layout");
static_assert(offsetof(LionArgs, learning_rate) == 144, "layout");
static_assert(offsetof(LionArgs, flag) == 192, "layout");
static_assert(offsetof(LionArgs, beta1) == 240, "layout");
static_assert(offsetof(LionArgs, beta2) == 244, "layout");
static_assert(sizeof(LionArgs) == 248, "layout");

struct alignas(8) LogSoftmaxArgs {
  Tensor x;
  Tensor y;
};
static_assert(offsetof(LogSoftmaxArgs, x) == 0, "layout");
static_assert(offsetof(LogSoftmaxArgs, y) == 48, "layout");
static_assert(sizeof(LogSoftmaxArgs) == 96, "layout");

struct alignas(8) MapArgs {
  Tensor in0;
  Tensor in1;
  Tensor in2;
  Tensor in3;
  Tensor in4;
  Tensor in5;
  Tensor in6;
  Tensor in7;
  Tensor out0;
  Tensor out1;
  Tensor out2;
  Tensor out3;
  Dims domain;
  Tape tape;
  int32_t reduce_rank;
  float scale;
};
static_assert(offsetof(MapArgs, in0) == 0, "layout");
static_assert(offsetof(MapArgs, in1) == 48, "layout");
static_assert(offsetof(MapArgs, in2) == 96, "layout");
static_assert(offsetof(MapArgs, in3) == 144, "layout");
static_assert(offsetof(MapArgs, in4) == 192, "layout");
static_assert(offsetof(MapArgs, in5) == 240, "layout");
static_assert(offsetof(MapArgs, in6) == 288, "layout");
static_assert(offsetof(MapArgs, in7) == 336, "layout");
static_assert(offsetof(MapArgs, out0) == 384, "layout");
static_assert(offsetof(MapArgs, out1) == 432, "layout");
static_assert(offsetof(MapArgs, out2) == 480, "layout");
static_assert(offsetof(MapArgs, out3) == 528, "layout");
static_assert(offsetof(MapArgs, domain) == 576, "layout");
static_assert(offsetof(MapArgs, tape) == 604, "layout");
static_assert(offsetof(MapArgs, reduce_rank) == 824, "layout");
static_assert(offsetof(MapArgs, scale) == 828, "layout");
static_assert(sizeof(MapArgs) == 832, "layout");

struct alignas(8) MatmulArgs {
  enum TransposeA : int32_t { kTransposeANo, kTransposeAYes };
  enum TransposeB : int32_t { kTransposeBNo, kTransposeBYes };
  enum Activation : int32_t { kActivationLinear, kActivationRelu };
  Tensor a;
  Tensor b;
  Tensor bias;
  Tensor y;
  int32_t accumulate_y;
  int32_t transpose_a;
  int32_t transpose_b;
  int32_t activation;
};
static_assert(offsetof(MatmulArgs, a) == 0, "layout");
static_assert(offsetof(MatmulArgs, b) == 48, "layout");
static_assert(offsetof(MatmulArgs, bias) == 96, "layout");
static_assert(offsetof(MatmulArgs, y) == 144, "layout");
static_assert(offsetof(MatmulArgs, accumulate_y) == 192, "layout");
static_assert(offsetof(MatmulArgs, transpose_a) == 196, "layout");
static_assert(offsetof(MatmulArgs, transpose_b) == 200, "layout");
static_assert(offsetof(MatmulArgs, activation) == 204, "layout");
static_assert(sizeof(MatmulArgs) == 208, "layout");

struct alignas(8) MaxPool2dArgs {
  Tensor x;
  Tensor y;
  Tensor argmax;
  int32_t pool_h;
  int32_t pool_w;
  int32_t stride_h;
  int32_t stride_w;
  int32_t pad_top;
  int32_t pad_bottom;
  int32_t pad_left;
  int32_t pad_right;
};
static_assert(offsetof(MaxPool2dArgs, x) == 0, "layout");
static_assert(offsetof(MaxPool2dArgs, y) == 48, "layout");
static_assert(offsetof(MaxPool2dArgs, argmax) == 96, "layout");
static_assert(offsetof(MaxPool2dArgs, pool_h) == 144, "layout");
static_assert(offsetof(MaxPool2dArgs, pool_w) == 148, "layout");
static_assert(offsetof(MaxPool2dArgs, stride_h) == 152, "layout");
static_assert(offsetof(MaxPool2dArgs, stride_w) == 156, "layout");
static_assert(offsetof(MaxPool2dArgs, pad_top) == 160, "layout");
static_assert(offsetof(MaxPool2dArgs, pad_bottom) == 164, "layout");
static_assert(offsetof(MaxPool2dArgs, pad_left) == 168, "layout");
static_assert(offsetof(MaxPool2dArgs, pad_right) == 172, "layout");
static_assert(sizeof(MaxPool2dArgs) == 176, "layout");

struct alignas(8) MaxPool2dDxArgs {
  Tensor dy;
  Tensor argmax;
  Tensor dx;
  int32_t pool_h;
  int32_t pool_w;
  int32_t stride_h;
  int32_t stride_w;
  int32_t pad_top;
  int32_t pad_bottom;
  int32_t pad_left;
  int32_t pad_right;
  Dims shape;
};
static_assert(offsetof(MaxPool2dDxArgs, dy) == 0, "layout");
static_assert(offsetof(MaxPool2dDxArgs, argmax) == 48, "layout");
static_assert(offsetof(MaxPool2dDxArgs, dx) == 96, "layout");
static_assert(offsetof(MaxPool2dDxArgs, pool_h) == 144, "layout");
static_assert(offsetof(MaxPool2dDxArgs, pool_w) == 148, "layout");
static_assert(offsetof(MaxPool2dDxArgs, stride_h) == 152, "layout");
static_assert(offsetof(MaxPool2dDxArgs, stride_w) == 156, "layout");
static_assert(offsetof(MaxPool2dDxArgs, pad_top) == 160, "layout");
static_assert(offsetof(MaxPool2dDxArgs, pad_bottom) == 164, "layout");
static_assert(offsetof(MaxPool2dDxArgs, pad_left) == 168, "layout");
static_assert(offsetof(MaxPool2dDxArgs, pad_right) == 172, "layout");
static_assert(offsetof(MaxPool2dDxArgs, shape) == 176, "layout");
static_assert(sizeof(MaxPool2dDxArgs) == 208, "layout");

struct alignas(8) MetricSumArgs {
  enum Guard : int32_t { kGuardNo, kGuardYes };
  Tensor x;
  Tensor state;
  Tensor total;
  Tensor flag;
  int32_t guard;
};
static_assert(offsetof(MetricSumArgs, x) == 0, "layout");
static_assert(offsetof(MetricSumArgs, state) == 48, "layout");
static_assert(offsetof(MetricSumArgs, total) == 96, "layout");
static_assert(offsetof(MetricSumArgs, flag) == 144, "layout");
static_assert(offsetof(MetricSumArgs, guard) == 192, "layout");
static_assert(sizeof(MetricSumArgs) == 200, "layout");

struct alignas(8) NadamArgs {
  Tensor params;
  Tensor grads;
  Tensor m;
  Tensor v;
  Tensor learning_rate;
  Tensor state;
  Tensor flag;
  float beta1;
  float beta2;
  float epsilon;
};
static_assert(offsetof(NadamArgs, params) == 0, "layout");
static_assert(offsetof(NadamArgs, grads) == 48, "layout");
static_assert(offsetof(NadamArgs, m) == 96, "layout");
static_assert(offsetof(NadamArgs, v) == 144, "layout");
static_assert(offsetof(NadamArgs, learning_rate) == 192, "layout");
static_assert(offsetof(NadamArgs, state) == 240, "layout");
static_assert(offsetof(NadamArgs, flag) == 288, "layout");
static_assert(offsetof(NadamArgs, beta1) == 336, "layout");
static_assert(offsetof(NadamArgs, beta2) == 340, "layout");
static_assert(offsetof(NadamArgs, epsilon) == 344, "layout");
static_assert(sizeof(NadamArgs) == 352, "layout");

struct alignas(8) ReduceSumArgs {
  Tensor x;
  Tensor y;
  int32_t accumulate_y;
  int32_t outer;
  int32_t length;
  int32_t inner;
  float scale;
  Dims shape;
};
static_assert(offsetof(ReduceSumArgs, x) == 0, "layout");
static_assert(offsetof(ReduceSumArgs, y) == 48, "layout");
static_assert(offsetof(ReduceSumArgs, accumulate_y) == 96, "layout");
static_assert(offsetof(ReduceSumArgs, outer) == 100, "layout");
static_assert(offsetof(ReduceSumArgs, length) == 104, "layout");
static_assert(offsetof(ReduceSumArgs, inner) == 108, "layout");
static_assert(offsetof(ReduceSumArgs, scale) == 112, "layout");
static_assert(offsetof(ReduceSumArgs, shape) == 116, "layout");
static_assert(sizeof(ReduceSumArgs) == 144, "layout");

struct alignas(8) RmspropArgs {
  Tensor params;
  Tensor grads;
  Tensor mean_square;
  Tensor mean;
  Tensor move;
  Tensor learning_rate;
  Tensor flag;
  float rho;
  float momentum;
  float epsilon;
};
static_assert(offsetof(RmspropArgs, params) == 0, "layout");
static_assert(offsetof(RmspropArgs, grads) == 48, "layout");
static_assert(offsetof(RmspropArgs, mean_square) == 96, "layout");
static_assert(offsetof(RmspropArgs, mean) == 144, "layout");
static_assert(offsetof(RmspropArgs, move) == 192, "layout");
static_assert(offsetof(RmspropArgs, learning_rate) == 240, "layout");
static_assert(offsetof(RmspropArgs, flag) == 288, "layout");
static_assert(offsetof(RmspropArgs, rho) == 336, "layout");
static_assert(offsetof(RmspropArgs, momentum) == 340, "layout");
static_assert(offsetof(RmspropArgs, epsilon) == 344, "layout");
static_assert(sizeof(RmspropArgs) == 352, "layout");

struct alignas(8) SgdArgs {
  enum Nesterov : int32_t { kNesterovNo, kNesterovYes };
  Tensor params;
  Tensor grads;
  Tensor velocity;
  Tensor learning_rate;
  Tensor flag;
  float momentum;
  int32_t nesterov;
};
static_assert(offsetof(SgdArgs, params) == 0, "layout");
static_assert(offsetof(SgdArgs, grads) == 48, "layout");
static_assert(offsetof(SgdArgs, velocity) == 96, "layout");
static_assert(offsetof(SgdArgs, learning_rate) == 144, "layout");
static_assert(offsetof(SgdArgs, flag) == 192, "layout");
static_assert(offsetof(SgdArgs, momentum) == 240, "layout");
static_assert(offsetof(SgdArgs, nesterov) == 244, "layout");
static_assert(sizeof(SgdArgs) == 248, "layout");

struct alignas(8) SoftmaxArgs {
  Tensor x;
  Tensor y;
};
static_assert(offsetof(SoftmaxArgs, x) == 0, "layout");
static_assert(offsetof(SoftmaxArgs, y) == 48, "layout");
static_assert(sizeof(SoftmaxArgs) == 96, "layout");

struct alignas(8) SoftmaxCrossEntropyArgs {
  Tensor x;
  Tensor labels;
  Tensor state;
  Tensor flag;
  Tensor loss;
  Tensor probabilities;
};
static_assert(offsetof(SoftmaxCrossEntropyArgs, x) == 0, "layout");
static_assert(offsetof(SoftmaxCrossEntropyArgs, labels) == 48, "layout");
static_assert(offsetof(SoftmaxCrossEntropyArgs, state) == 96, "layout");
static_assert(offsetof(SoftmaxCrossEntropyArgs, flag) == 144, "layout");
static_assert(offsetof(SoftmaxCrossEntropyArgs, loss) == 192, "layout");
static_assert(offsetof(SoftmaxCrossEntropyArgs, probabilities) == 240, "layout");
static_assert(sizeof(SoftmaxCrossEntropyArgs) == 288, "layout");

struct alignas(8) SoftmaxCrossEntropyDxArgs {
  Tensor probabilities;
  Tensor labels;
  Tensor dloss;
  Tensor dx;
};
static_assert(offsetof(SoftmaxCrossEntropyDxArgs, probabilities) == 0, "layout");
static_assert(offsetof(SoftmaxCrossEntropyDxArgs, labels) == 48, "layout");
static_assert(offsetof(SoftmaxCrossEntropyDxArgs, dloss) == 96, "layout");
static_assert(offsetof(SoftmaxCrossEntropyDxArgs, dx) == 144, "layout");
static_assert(sizeof(SoftmaxCrossEntropyDxArgs) == 192, "layout");

// X(code, struct, function) for every op.
#define GRADSTEP_OPS(X) \
  X(0, AdadeltaArgs, adadelta) \
  X(1, AdagradArgs, adagrad) \
  X(2, AdamArgs, adam) \
  X(3, AdamaxArgs, adamax) \
  X(4, ArgmaxArgs, argmax) \
  X(5, AveragePool2dArgs, average_pool2d) \
  X(6, AveragePool2dDxArgs, average_pool2d_dx) \
  X(7, Conv2dArgs, conv2d) \
  X(8, Conv2dDxArgs, conv2d_dx) \
  X(9, Conv2dDwArgs, conv2d_dw) \
  X(10, DropoutArgs, dropout) \
  X(11, GatherArgs, gather) \
  X(12, ScatterArgs, scatter) \
  X(13, AdvanceArgs, advance) \
  X(14, LionArgs, lion) \
  X(15, LogSoftmaxArgs, log_softmax) \
  X(16, MapArgs, map) \
  X(17, MatmulArgs, matmul) \
  X(18, MaxPool2dArgs, max_pool2d) \
  X(19, MaxPool2dDxArgs, max_pool2d_dx) \
  X(20, MetricSumArgs, metric_sum) \
  X(21, NadamArgs, nadam) \
  X(22, ReduceSumArgs, reduce_sum) \
  X(23, RmspropArgs, rmsprop) \
  X(24, SgdArgs, sgd) \
  X(25, SoftmaxArgs, softmax) \
  X(26, SoftmaxCrossEntropyArgs, softmax_cross_entropy) \
  X(27, SoftmaxCrossEntropyDxArgs, softmax_cross_entropy_dx)

constexpr uint32_t kOpCount = 28;

}  // namespace gradstep
