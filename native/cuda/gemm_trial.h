// Algorithms for a product, tried on matrices of its shape: whether their results are right, and how long they take.
#pragma once

#include <optional>
#include <vector>

#include "cuda/lt_product.h"

namespace gradstep::cuda {

// Whether an algorithm is only trusted with this product when its results have been seen: what else an epilogue does
// than to add a bias and cut at 0 is documented too little (order of bits, the slope at 0, how exact tanh is).
bool must_be_seen(const GemmShape& shape);

// The number of the fastest of those whose results are right; −1: there is none. Nothing: there is no room to try them.
std::optional<int> fastest_algorithm(const LtProduct& product, const std::vector<LtAlgorithm>& candidates);

}  // namespace gradstep::cuda
