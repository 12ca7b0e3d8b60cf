// The GEMM seam on cuBLASLt: strict float32, or operands rounded to TF32 or bfloat16, or stored in bfloat16. What a
// product is to the library stands in lt_product.cc, how algorithms are tried in gemm_trial.cc; here one is chosen and
// kept.
#include "cuda/gemm.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <tuple>
#include <vector>

#include "core/error.h"
#include "cuda/gemm_trial.h"
#include "cuda/lt_product.h"

namespace gradstep::cuda {
namespace {

constexpr int kCandidates = 16;  // algorithms that are tried

// Products of a batch that the library multiplies at once: their number takes 16 bits.
constexpr int64_t kMostAtOnce = (1 << 16) - 1;

std::string describe_shape(const GemmShape& s) {
  std::string text = "product";
  for (const int64_t number : {s.m, s.n, s.k, s.batch, s.stride_a, s.stride_b, s.row_b}) {
    text += " " + std::to_string(number);
  }
  if (s.transpose_a) text += " ta";
  if (s.transpose_b) text += " tb";
  if (s.accumulate) text += " accumulate";
  if (s.bias) text += " bias";
  constexpr const char* kEpilogues[] = {"", " relu", " gelu", " relu slope", " gelu slope"};
  text += kEpilogues[static_cast<int>(s.epilogue)];
  if (s.aux) text += " aux";
  if (s.sums) text += " sums";
  if (s.has_narrow_operands()) text += " bfloat16 operands";
  if (s.has_narrow_result()) text += " bfloat16 result";
  return text + " " + name_of(s.precision);
}

// A product and the algorithm for it, chosen once.
class Plan {
 public:
  Plan(cublasLtHandle_t handle, const GemmShape& s, Choices& choices)
      : product_(handle, s), what_(describe_shape(s)), chosen_(choose(choices)) {}

  const std::string& what() const { return what_; }

  bool exists() const { return chosen_.has_value(); }
  size_t workspace_bytes() const { return chosen_->workspace_bytes; }

  void run(cudaStream_t stream, const GemmOperands& operands) const {
    check_lt(product_.launch(stream, *chosen_, operands), "cublasLtMatmul");
  }

 private:
  std::optional<LtAlgorithm> choose(Choices& choices) {
    const bool doubtful = must_be_seen(product_.shape());
    if (const std::optional<Choices::Bytes> kept = choices.find(what_)) {
      if (doubtful && kept->size() == kNone) return std::nullopt;
      if (const auto known = recall(*kept)) return known;
    }
    const std::vector<LtAlgorithm> candidates = product_.propose(choices.measures() ? kCandidates : 1);
    if (candidates.empty()) return std::nullopt;
    if (!choices.measures()) return candidates.front();
    std::optional<int> best;
    if (candidates.size() > 1 || doubtful) best = fastest_algorithm(product_, candidates);
    if (best && *best >= 0) {
      const LtAlgorithm& chosen = candidates[static_cast<size_t>(*best)];
      choices.keep(what_, bytes_of(chosen));
      return chosen;
    }
    if (!doubtful) {
      choices.take(what_, bytes_of(candidates.front()));
      return candidates.front();
    }
    const Choices::Bytes none(kNone);
    if (best) {
      choices.keep(what_, none);
    } else {
      choices.take(what_, none);
    }
    return std::nullopt;
  }

  static Choices::Bytes bytes_of(const LtAlgorithm& chosen) {
    const auto* bytes = reinterpret_cast<const uint8_t*>(&chosen.algorithm);
    return {bytes, bytes + sizeof chosen.algorithm};
  }

  // An algorithm of before that the library still takes.
  std::optional<LtAlgorithm> recall(const Choices::Bytes& kept) const {
    cublasLtMatmulAlgo_t algorithm;
    if (kept.size() != sizeof algorithm) return std::nullopt;
    memcpy(&algorithm, kept.data(), sizeof algorithm);
    return product_.recall(algorithm);
  }

  static constexpr size_t kNone = 1;  // bytes that are kept where no algorithm was right

  LtProduct product_;
  const std::string what_;
  std::optional<LtAlgorithm> chosen_;
};

auto fields(const GemmShape& s) {
  return std::tie(s.m, s.n, s.k, s.transpose_a, s.transpose_b, s.accumulate, s.bias, s.epilogue, s.aux, s.sums, s.batch,
                  s.stride_a, s.stride_b, s.row_b, s.precision, s.operands, s.result);
}

class CublasLtGemm final : public Gemm {
 public:
  explicit CublasLtGemm(Choices& choices) : choices_(choices) { GRADSTEP_LT(Create, &handle_); }
  ~CublasLtGemm() override {
    last_.reset();
    CublasLt::get().Destroy(handle_);
  }

  bool supports(const GemmShape& shape) override {
    const std::vector<GemmShape> parts = parts_of(shape);
    return std::all_of(parts.begin(), parts.end(), [&](const GemmShape& part) { return plan_of(part)->exists(); });
  }

  size_t workspace_bytes(const GemmShape& shape) override {
    size_t most = 0;
    for (const GemmShape& part : parts_of(shape)) most = std::max(most, existing(part)->workspace_bytes());
    return most;
  }

  Run plan(const GemmShape& shape) override {
    std::vector<std::shared_ptr<Plan>> plans;
    for (const GemmShape& part : parts_of(shape)) plans.push_back(existing(part));
    return Run([plans, shape](cudaStream_t stream, GemmOperands operands) {
      for (const std::shared_ptr<Plan>& plan : plans) {
        plan->run(stream, operands);
        operands = behind(operands, shape);
      }
    });
  }

 private:
  // What a batch is multiplied in, one after another.
  static std::vector<GemmShape> parts_of(const GemmShape& shape) {
    std::vector<GemmShape> parts;
    for (int64_t from = 0; from < shape.batch; from += kMostAtOnce) {
      parts.push_back(shape);
      parts.back().batch = std::min(kMostAtOnce, shape.batch - from);
    }
    return parts;
  }

  // The operands of the next part.
  static GemmOperands behind(GemmOperands operands, const GemmShape& s) {
    const auto each = static_cast<int64_t>(dtype_bytes(s.operands)),
               result = static_cast<int64_t>(dtype_bytes(s.result));
    operands.a = static_cast<const char*>(operands.a) + kMostAtOnce * s.stride_a * each;
    operands.b = static_cast<const char*>(operands.b) + kMostAtOnce * s.stride_b * each;
    operands.c = static_cast<char*>(operands.c) + kMostAtOnce * s.m * s.n * result;
    return operands;
  }

  // Steps ask whether there is a plan, for its workspace and then for itself: the last one is kept for these questions.
  std::shared_ptr<Plan> plan_of(const GemmShape& shape) {
    if (!last_ || fields(last_shape_) != fields(shape)) {
      last_ = std::make_shared<Plan>(handle_, shape, choices_);
      last_shape_ = shape;
    } else {
      choices_.use(last_->what());
    }
    return last_;
  }

  std::shared_ptr<Plan> existing(const GemmShape& s) {
    const auto plan = plan_of(s);
    if (plan->exists()) return plan;
    throw Error("ERR_DEVICE_UNAVAILABLE", "cuBLAS has no algorithm for a product of [" + std::to_string(s.m) + ", " +
                                              std::to_string(s.k) + "] and [" + std::to_string(s.k) + ", " +
                                              std::to_string(s.n) + "] in " +
                                              (s.has_narrow_operands() ? "bfloat16" : "float32"));
  }

  Choices& choices_;
  cublasLtHandle_t handle_ = nullptr;
  std::shared_ptr<Plan> last_;
  GemmShape last_shape_{};
};

}  // namespace

std::unique_ptr<Gemm> make_gemm(Choices& choices) {
  if (const std::string problem = gemm_problem(); !problem.empty()) throw Error("ERR_DEVICE_UNAVAILABLE", problem);
  return std::make_unique<CublasLtGemm>(choices);
}

std::string gemm_problem() { return CublasLt::get().problem; }

std::string gemm_library() {
  return gemm_problem().empty() ? "cuBLASLt " + std::to_string(CublasLt::get().GetVersion()) : "";
}

}  // namespace gradstep::cuda
