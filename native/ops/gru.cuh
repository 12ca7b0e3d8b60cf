// The cell of a GRU on CUDA, forward and backward, as a Run (recurrence.cuh) where the reset gate comes after the
// product with the recurrent kernel; and in two halves where it comes before, since the gates must be known before the
// candidate's product. gates may lie in xw's memory and dxw in gates': a thread reads what it overwrites, and no half
// overwrites what the other reads. Arrays over time may be stored in bfloat16.
#pragma once

#include "cuda/prepare.h"
#include "ops/gru.h"
#include "ops/recurrence.cuh"

namespace gradstep::cuda {

struct Gru {
  static constexpr int kGates = 3;
  Sequence s;
  CellActivation activation, recurrent;
  const float *u, *h0, *mask, *keep;  // all but u: or null
};

struct GruForward : Gru {
  static constexpr bool kBackward = false;
  Stored xw;
  Stored y, gates, inner, h_prev;  // or none
  const float* bias;               // [3, units]; or null
  float* h;                        // or null
  // Of the workspace; h_state: null where it is what meets the kernel; met: that, at a turn.
  float* h_state = nullptr;
  Alternating met = {};
  float *settled = nullptr, *reset = nullptr;  // before: z and r, [batch, 2, units]; r·h·keep, [batch, units]

  __host__ __device__ int turns() const { return s.steps; }
  __host__ __device__ const float* operand(int turn) const {
    return turn > 0 || (h0 != nullptr && keep != nullptr) ? met(turn) : h0;
  }
  __device__ float* next(int turn) const { return met(turn + 1); }

  template <int kPack>
  struct Known {
    StoredPack<kPack> x[kGates];
    Pack<float, kPack> bias[kGates], h, keep;
    bool masked;
  };
  template <int kPack>
  struct Made {
    Pack<float, kPack> values[kGates], inner, h_before, h;
  };

  template <int kPack>
  __device__ Known<kPack> fetch(int turn, const Units<kPack>& here) const {
    const int64_t t = s.input(turn), units = s.units;
    Known<kPack> known;
#pragma unroll
    for (int g = 0; g < kGates; g++) {
      known.x[g] = load_stored<kPack>(at_step(xw, t, kGates * units), here.over_time(kGates, g));
      known.bias[g] = load_or<kPack>(bias, g * units + here.unit, 0.f);
    }
    known.h = load_or<kPack>(turn == 0 ? h0 : (h_state ? h_state : met(turn)), here.at(), 0.f);
    known.keep = load_or<kPack>(keep, here.at(), 1.f);
    known.masked = here.masked(at_step(mask, t, 1));
    return known;
  }

  // After: all of a step.
  template <int kPack>
  __device__ Made<kPack> make(int, const Known<kPack>& known, const Pack<float, kPack> (&z)[kGates],
                              Pack<float, kPack> (&brought)[1]) const {
    Made<kPack> made{{}, {}, known.h, known.h};
    if (!known.masked) {
      made.inner = plus(z[2], known.bias[2]);
      made.values[0] = activated(recurrent, plus(known.x[0].wide(xw.narrow), plus(z[0], known.bias[0])));
      made.values[1] = activated(recurrent, plus(known.x[1].wide(xw.narrow), plus(z[1], known.bias[1])));
      made.values[2] = activated(activation, plus(known.x[2].wide(xw.narrow), times(made.values[1], made.inner)));
    }
    mix(known, made);
    brought[0] = times(made.h, known.keep);
    return made;
  }

  // Before, first half: the gates, and what meets the candidate's kernel.
  template <int kPack>
  __device__ void settle_gates(const Units<kPack>& here, const Known<kPack>& known,
                               const Pack<float, kPack> (&z)[2]) const {
    Pack<float, kPack> values[2] = {}, inner = {};
    if (!known.masked) {
      values[0] = activated(recurrent, plus(known.x[0].wide(xw.narrow), z[0]));
      values[1] = activated(recurrent, plus(known.x[1].wide(xw.narrow), z[1]));
      inner = times(values[1], times(known.h, known.keep));
    }
    store_pack(settled + here.at(2, 0), values[0]);
    store_pack(settled + here.at(2, 1), values[1]);
    store_pack(reset + here.at(), inner);
  }

  // Before, second half.
  template <int kPack>
  __device__ void settle_candidate(int turn, const Units<kPack>& here, const Known<kPack>& known,
                                   const Pack<float, kPack>& z) const {
    Made<kPack> made{{load_pack<kPack>(settled + here.at(2, 0)), load_pack<kPack>(settled + here.at(2, 1)), {}},
                     load_pack<kPack>(reset + here.at()),
                     known.h,
                     known.h};
    if (!known.masked) made.values[2] = activated(activation, plus(known.x[2].wide(xw.narrow), z));
    mix(known, made);
    store_next(*this, turn, here, {times(made.h, known.keep)});
    store(turn, here, made);
  }

  template <int kPack>
  __device__ void store(int turn, const Units<kPack>& here, const Made<kPack>& made) const {
    const int64_t t = s.input(turn), units = s.units;
    store_to(at_step(h_prev, t, units), here.over_time(), made.h_before);
#pragma unroll
    for (int g = 0; g < kGates; g++) {
      store_to(at_step(gates, t, kGates * units), here.over_time(kGates, g), made.values[g]);
    }
    store_to(at_step(inner, t, units), here.over_time(), made.inner);
    store_to(at_step(y, s.result(turn), units), here.over_time(), made.h);
    store_to(turn + 1 == turns() ? h : h_state, here.at(), made.h);
  }

 private:
  // Mixes the state with the candidate.
  template <int kPack>
  __device__ void mix(const Known<kPack>& known, Made<kPack>& made) const {
    if (known.masked) return;
#pragma unroll
    for (int k = 0; k < kPack; k++) {
      made.h.v[k] = gru_state(made.values[0].v[k], made.values[2].v[k], known.h.v[k]);
    }
  }
};

struct GruBackward : Gru {
  static constexpr bool kBackward = true;
  Stored gates, inner, h_prev, dy, dxw, dhw;  // dy, dhw: or none
  const float* dh;                            // or null
  float* dh0;                                 // or null
  // Of the workspace; past: the state's gradient past the products; d: of a turn's step, after [batch, 3, units],
  // before [batch, 2, units].
  float* past = nullptr;
  Alternating d = {};
  float* candidate = nullptr;  // before: the gradient by what the candidate's activation takes, [batch, units]

  __host__ __device__ int turns() const { return s.steps + (dh0 != nullptr ? 1 : 0); }
  __host__ __device__ const float* operand(int turn) const { return turn == 0 ? nullptr : d(turn - 1); }
  __device__ float* next(int turn) const { return d(turn); }

  template <int kPack>
  struct Known {
    StateGradient<kPack> state;
    StoredPack<kPack> values[kGates], inner, h_before;
    bool masked;
  };
  template <int kPack>
  struct Made {
    Pack<float, kPack> dz[kGates], by_product, dh;  // by_product: the candidate's part of dhw; dh: past the products
  };

  template <int kPack>
  __device__ Known<kPack> fetch(int turn, const Units<kPack>& here) const {
    const int64_t i = s.steps - 1 - turn, t = s.input(i), units = s.units;
    Known<kPack> known{};
    known.state = StateGradient<kPack>::fetch(here, turn == 0 ? dh : past, keep,
                                              i < 0 ? Stored{} : at_step(dy, s.result(i), units));
    if (i < 0) return known;
#pragma unroll
    for (int g = 0; g < kGates; g++) {
      known.values[g] = load_stored<kPack>(at_step(gates, t, kGates * units), here.over_time(kGates, g));
    }
    known.inner = load_stored<kPack>(at_step(inner, t, units), here.over_time());
    known.h_before = load_stored<kPack>(at_step(h_prev, t, units), here.over_time());
    known.masked = here.masked(at_step(mask, t, 1));
    return known;
  }

  // After: all of a step. Before: all but the reset gate and what that brings.
  template <int kPack, bool kAfter = true>
  __device__ Made<kPack> make(int turn, const Known<kPack>& known, const Pack<float, kPack> (&z)[1],
                              Pack<float, kPack> (&brought)[kGates]) const {
    Made<kPack> made{{}, {}, known.state.with(z[0], dy.narrow)};
    if (turn == s.steps) return made;
    if (!known.masked) {
      Pack<float, kPack> values[kGates];
#pragma unroll
      for (int g = 0; g < kGates; g++) values[g] = known.values[g].wide(gates.narrow);
      const Pack<float, kPack> h_before = known.h_before.wide(h_prev.narrow);
#pragma unroll
      for (int k = 0; k < kPack; k++) {
        const GruGradient by = gru_gradient(values[0].v[k], values[2].v[k], h_before.v[k], made.dh.v[k]);
        made.dz[0].v[k] = by.z;
        made.dz[2].v[k] = by.candidate;
        made.dh.v[k] = by.carried;
      }
      made.dz[0] = through(recurrent, made.dz[0], values[0]);
      made.dz[2] = through(activation, made.dz[2], values[2]);
      if constexpr (kAfter) {
        made.dz[1] = through(recurrent, times(made.dz[2], known.inner.wide(inner.narrow)), values[1]);
        made.by_product = times(made.dz[2], values[1]);
      }
    }
    brought[0] = made.dz[0];
    if constexpr (kAfter) {
      brought[1] = made.dz[1];
      brought[2] = made.by_product;
    }
    return made;
  }

  template <int kPack, bool kAfter = true>
  __device__ void store(int turn, const Units<kPack>& here, const Made<kPack>& made) const {
    const int64_t i = s.steps - 1 - turn, t = s.input(i), units = s.units;
    if (i < 0) {
      store_pack(dh0 + here.at(), made.dh);
      return;
    }
    const Stored to = at_step(dxw, t, kGates * units);
    store_to(to, here.over_time(kGates, 0), made.dz[0]);
    store_to(to, here.over_time(kGates, 2), made.dz[2]);
    store_pack(past + here.at(), made.dh);
    if constexpr (kAfter) {
      store_to(to, here.over_time(kGates, 1), made.dz[1]);
      const Stored by_products = at_step(dhw, t, kGates * units);
      store_to(by_products, here.over_time(kGates, 0), made.dz[0]);
      store_to(by_products, here.over_time(kGates, 1), made.dz[1]);
      store_to(by_products, here.over_time(kGates, 2), made.by_product);
    } else {
      store_pack(candidate + here.at(), made.dz[2]);
    }
  }

  // Before: the reset gate, z being the gradient by r·h·keep. What goes on by h·keep is returned.
  template <int kPack>
  __device__ Pack<float, kPack> finish_reset(int turn, const Units<kPack>& here, const Pack<float, kPack>& z) const {
    const int64_t t = s.input(s.steps - 1 - turn), units = s.units;
    const StoredPack<kPack> gate = load_stored<kPack>(at_step(gates, t, kGates * units), here.over_time(kGates, 1));
    const StoredPack<kPack> state = load_stored<kPack>(at_step(h_prev, t, units), here.over_time());
    const Pack<float, kPack> r = gate.wide(gates.narrow), before = state.wide(h_prev.narrow);
    const Pack<float, kPack> dr = through(recurrent, times(z, times(before, load_or<kPack>(keep, here.at(), 1.f))), r);
    store_to(at_step(dxw, t, kGates * units), here.over_time(kGates, 1), dr);
    if (turn + 1 < turns()) store_pack(d(turn) + here.at(2, 1), dr);
    return times(z, r);
  }
};

}  // namespace gradstep::cuda
