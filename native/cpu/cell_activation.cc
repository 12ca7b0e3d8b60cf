// See cell_activation.h: the choice is made once, then a loop of one formula runs in vectors.
#include "cpu/cell_activation.h"

#include "cpu/parallel.h"

namespace gradstep::cpu {
namespace {

#define GRADSTEP_ACTIVATION(name, value, slope)                                 \
  GRADSTEP_VECTORISED void name##_all(float* x, int64_t n) {                    \
    for (int64_t i = 0; i < n; i++) x[i] = value(x[i]);                         \
  }                                                                             \
  GRADSTEP_VECTORISED void name##_slopes(float* d, const float* y, int64_t n) { \
    for (int64_t i = 0; i < n; i++) d[i] *= slope(y[i]);                        \
  }

float clipped(float x) { return scalar::minimum(scalar::relu(x), 6.f); }
float same(float y) { return y; }

GRADSTEP_ACTIVATION(relu, scalar::relu, cell_relu_slope)
GRADSTEP_ACTIVATION(relu6, clipped, cell_relu6_slope)
GRADSTEP_ACTIVATION(tanh, cell_tanh, cell_tanh_slope)
GRADSTEP_ACTIVATION(sigmoid, cell_sigmoid, cell_sigmoid_slope)
GRADSTEP_ACTIVATION(hard_sigmoid, cell_hard_sigmoid, cell_hard_sigmoid_slope)
GRADSTEP_ACTIVATION(softsign, cell_softsign, cell_softsign_slope)
GRADSTEP_ACTIVATION(softplus, scalar::softplus, cell_softplus_slope)
GRADSTEP_ACTIVATION(elu, cell_elu, cell_elu_slope)
GRADSTEP_ACTIVATION(selu, cell_selu, cell_selu_slope)
GRADSTEP_ACTIVATION(exponential, scalar::exp, same)

}  // namespace

void activate(CellActivation kind, float* x, int64_t n) {
  switch (kind) {
    case CellActivation::kLinear:
      return;
    case CellActivation::kRelu:
      return relu_all(x, n);
    case CellActivation::kRelu6:
      return relu6_all(x, n);
    case CellActivation::kTanh:
      return tanh_all(x, n);
    case CellActivation::kSigmoid:
      return sigmoid_all(x, n);
    case CellActivation::kHardSigmoid:
      return hard_sigmoid_all(x, n);
    case CellActivation::kSoftsign:
      return softsign_all(x, n);
    case CellActivation::kSoftplus:
      return softplus_all(x, n);
    case CellActivation::kElu:
      return elu_all(x, n);
    case CellActivation::kSelu:
      return selu_all(x, n);
    case CellActivation::kExponential:
      return exponential_all(x, n);
  }
}

void multiply_by_slope(CellActivation kind, float* d, const float* y, int64_t n) {
  switch (kind) {
    case CellActivation::kLinear:
      return;
    case CellActivation::kRelu:
      return relu_slopes(d, y, n);
    case CellActivation::kRelu6:
      return relu6_slopes(d, y, n);
    case CellActivation::kTanh:
      return tanh_slopes(d, y, n);
    case CellActivation::kSigmoid:
      return sigmoid_slopes(d, y, n);
    case CellActivation::kHardSigmoid:
      return hard_sigmoid_slopes(d, y, n);
    case CellActivation::kSoftsign:
      return softsign_slopes(d, y, n);
    case CellActivation::kSoftplus:
      return softplus_slopes(d, y, n);
    case CellActivation::kElu:
      return elu_slopes(d, y, n);
    case CellActivation::kSelu:
      return selu_slopes(d, y, n);
    case CellActivation::kExponential:
      return exponential_slopes(d, y, n);
  }
}

}  // namespace gradstep::cpu
