// The cell of a GRU on CUDA, forward and backward, as a Run (recurrence.cuh) where the reset gate comes after the
// product with the recurrent kernel; and in two halves where it comes before, since the gates must be known before the
// candidate's product. gates may lie in xw's memory and dxw in gates': a thread reads what it overwrites, and no half
// overwrites what the other reads.
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
  const float *xw, *bias;                    // bias [3, units]; or null
  float *y, *h, *gates, *inner, *h_prev;     // or null
  float *h_state = nullptr, *met[2] = {};    // of the workspace; met: what meets the kernel, by turn % 2
  float *known = nullptr, *reset = nullptr;  // before: z and r, [batch, 2, units]; r·h·keep, [batch, units]

  __host__ __device__ int turns() const { return s.steps; }
  __host__ __device__ const float* operand(int turn) const {
    return turn > 0 || (h0 != nullptr && keep != nullptr) ? met[turn % 2] : h0;
  }

  template <int kPack>
  __device__ Pack<float, kPack> state(int turn, const Units<kPack>& here) const {
    return load_or<kPack>(turn == 0 ? h0 : (keep ? h_state : met[turn % 2]), here.at(), 0.f);
  }
  template <int kPack>
  __device__ Pack<float, kPack> from_input(int turn, const Units<kPack>& here, int gate) const {
    return load_pack<kPack>(at_step(xw, s.input(turn), kGates * int64_t{s.units}) + here.over_time(kGates, gate));
  }
  template <int kPack>
  __device__ bool masked(int turn, const Units<kPack>& here) const {
    return here.masked(at_step(mask, s.input(turn), 1));
  }

  // After: all of a step.
  template <int kPack>
  __device__ void finish(int turn, const Units<kPack>& here, const Pack<float, kPack> (&z)[kGates]) const {
    Pack<float, kPack> values[kGates] = {}, kept = {};
    if (!masked(turn, here)) {
#pragma unroll
      for (int g = 0; g < kGates; g++) values[g] = plus(z[g], load_or<kPack>(bias, g * here.units + here.unit, 0.f));
      kept = values[2];
      values[0] = activated(recurrent, plus(from_input(turn, here, 0), values[0]));
      values[1] = activated(recurrent, plus(from_input(turn, here, 1), values[1]));
      values[2] = activated(activation, plus(from_input(turn, here, 2), times(values[1], kept)));
    }
    keep_all(turn, here, values, kept);
  }

  // Before, first half: the gates, and what meets the candidate's kernel.
  template <int kPack>
  __device__ void settle_gates(int turn, const Units<kPack>& here, const Pack<float, kPack> (&z)[2]) const {
    Pack<float, kPack> values[2] = {}, kept = {};
    if (!masked(turn, here)) {
      values[0] = activated(recurrent, plus(from_input(turn, here, 0), z[0]));
      values[1] = activated(recurrent, plus(from_input(turn, here, 1), z[1]));
      kept = times(values[1], times(state(turn, here), load_or<kPack>(keep, here.at(), 1.f)));
    }
    store_pack(known + here.at(2, 0), values[0]);
    store_pack(known + here.at(2, 1), values[1]);
    store_pack(reset + here.at(), kept);
  }

  // Before, second half.
  template <int kPack>
  __device__ void settle_candidate(int turn, const Units<kPack>& here, const Pack<float, kPack>& z) const {
    Pack<float, kPack> values[kGates] = {
        load_pack<kPack>(known + here.at(2, 0)), load_pack<kPack>(known + here.at(2, 1)), {}};
    if (!masked(turn, here)) values[2] = activated(activation, plus(from_input(turn, here, 2), z));
    keep_all(turn, here, values, load_pack<kPack>(reset + here.at()));
  }

 private:
  // Mixes the state with the candidate and stores all that is kept of the step.
  template <int kPack>
  __device__ void keep_all(int turn, const Units<kPack>& here, const Pack<float, kPack> (&values)[kGates],
                           const Pack<float, kPack>& kept) const {
    const bool last = turn == s.steps - 1;
    const int64_t t = s.input(turn), units = s.units;
    Pack<float, kPack> h_new = state(turn, here);
    store_to(at_step(h_prev, t, units), here.over_time(), h_new);
    if (!masked(turn, here)) {
#pragma unroll
      for (int k = 0; k < kPack; k++) h_new.v[k] = gru_state(values[0].v[k], values[2].v[k], h_new.v[k]);
    }
    if (gates != nullptr) {
#pragma unroll
      for (int g = 0; g < kGates; g++) {
        store_pack(at_step(gates, t, kGates * units) + here.over_time(kGates, g), values[g]);
      }
    }
    store_to(at_step(inner, t, units), here.over_time(), kept);
    store_to(at_step(y, s.result(turn), units), here.over_time(), h_new);
    store_to(last ? h : (keep ? h_state : nullptr), here.at(), h_new);
    if (!last) store_pack(met[(turn + 1) % 2] + here.at(), times(h_new, load_or<kPack>(keep, here.at(), 1.f)));
  }
};

struct GruBackward : Gru {
  static constexpr bool kBackward = true;
  const float *gates, *inner, *h_prev, *dy, *dh;  // the last two: or null
  float *dxw, *dhw, *dh0;                         // the last two: or null
  float *past = nullptr, *d[2] = {};  // of the workspace; past: the state's gradient past the products; d by turn % 2:
                                      // after [batch, 3, units], before [batch, 2, units]
  float* candidate = nullptr;         // before: the gradient by what the candidate's activation takes, [batch, units]

  __host__ __device__ int turns() const { return s.steps + (dh0 != nullptr ? 1 : 0); }
  __host__ __device__ const float* operand(int turn) const { return turn == 0 ? nullptr : d[(turn - 1) % 2]; }

  // After: all of a step. Before: all but the reset gate.
  template <int kPack, bool kAfter = true>
  __device__ void finish(int turn, const Units<kPack>& here, const Pack<float, kPack> (&z)[1]) const {
    const int64_t i = s.steps - 1 - turn, units = s.units;
    const float* came_past = turn == 0 ? dh : past;
    if (i < 0) {
      store_pack(dh0 + here.at(), state_gradient<kPack>(here, came_past, z[0], keep, nullptr));
      return;
    }
    const int64_t t = s.input(i);
    Pack<float, kPack> dh_here = state_gradient<kPack>(here, came_past, z[0], keep, at_step(dy, s.result(i), units));
    Pack<float, kPack> dz[kGates] = {}, by_product = {};
    if (!here.masked(at_step(mask, t, 1))) {
      Pack<float, kPack> values[kGates];
#pragma unroll
      for (int g = 0; g < kGates; g++) {
        values[g] = load_pack<kPack>(at_step(gates, t, kGates * units) + here.over_time(kGates, g));
      }
      const Pack<float, kPack> before = load_pack<kPack>(at_step(h_prev, t, units) + here.over_time());
#pragma unroll
      for (int k = 0; k < kPack; k++) {
        const GruGradient by = gru_gradient(values[0].v[k], values[2].v[k], before.v[k], dh_here.v[k]);
        dz[0].v[k] = by.z;
        dz[2].v[k] = by.candidate;
        dh_here.v[k] = by.carried;
      }
      dz[0] = through(recurrent, dz[0], values[0]);
      dz[2] = through(activation, dz[2], values[2]);
      if constexpr (kAfter) {
        const Pack<float, kPack> kept = load_pack<kPack>(at_step(inner, t, units) + here.over_time());
        dz[1] = through(recurrent, times(dz[2], kept), values[1]);
        by_product = times(dz[2], values[1]);
      }
    }
    store_pack(past + here.at(), dh_here);
    float* const to = at_step(dxw, t, kGates * units);
    store_pack(to + here.over_time(kGates, 0), dz[0]);
    store_pack(to + here.over_time(kGates, 2), dz[2]);
    if constexpr (kAfter) {
      store_pack(to + here.over_time(kGates, 1), dz[1]);
      dz[2] = by_product;
#pragma unroll
      for (int g = 0; g < kGates; g++) {
        store_to(at_step(dhw, t, kGates * units), here.over_time(kGates, g), dz[g]);
        if (turn + 1 < turns()) store_pack(d[turn % 2] + here.at(kGates, g), dz[g]);
      }
    } else {
      if (turn + 1 < turns()) store_pack(d[turn % 2] + here.at(2, 0), dz[0]);
      store_pack(candidate + here.at(), dz[2]);
    }
  }

  // Before: the reset gate, z being the gradient by r·h·keep. What goes on by h·keep is returned.
  template <int kPack>
  __device__ Pack<float, kPack> finish_reset(int turn, const Units<kPack>& here, const Pack<float, kPack>& z) const {
    const int64_t t = s.input(s.steps - 1 - turn), units = s.units;
    const Pack<float, kPack> r = load_pack<kPack>(at_step(gates, t, kGates * units) + here.over_time(kGates, 1));
    const Pack<float, kPack> before = load_pack<kPack>(at_step(h_prev, t, units) + here.over_time());
    const Pack<float, kPack> dr = through(recurrent, times(z, times(before, load_or<kPack>(keep, here.at(), 1.f))), r);
    store_pack(at_step(dxw, t, kGates * units) + here.over_time(kGates, 1), dr);
    if (turn + 1 < turns()) store_pack(d[turn % 2] + here.at(2, 1), dr);
    return times(z, r);
  }
};

}  // namespace gradstep::cuda
