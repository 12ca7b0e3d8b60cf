#include "cuda/fastest.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#include "core/program.h"
#include "cuda/capture.h"
#include "cuda/handles.h"

namespace gradstep::cuda {
namespace {

constexpr int64_t kCompared = 1 << 22;  // numbers of a result; of a larger one as many, in this many pieces
constexpr int64_t kPieces = 64;
constexpr double kSampleSeconds = 5e-4;  // that launches in a row take, unless one alone takes longer
constexpr double kMostLaunches = 32;
constexpr int kLeastRounds = 3;  // of samples of each, behind one for warming up
constexpr int kMostRounds = 32;
constexpr double kGain = 0.98;  // how much of the best time a later entrant may take to be taken instead

// bfloat16 that fill the first half of the memory of as many float32.
void widen(float* numbers, size_t count) {
  const auto* const halves = reinterpret_cast<const char*>(numbers);
  for (size_t i = count; i-- > 0;) {
    uint16_t half;
    memcpy(&half, halves + i * sizeof half, sizeof half);
    const uint32_t bits = static_cast<uint32_t>(half) << 16;
    memcpy(numbers + i, &bits, sizeof bits);
  }
}

// A piece of a result: where it lies, on the device and among the numbers that are seen.
struct Piece {
  const char* from;
  size_t at, count;
  DType type;
};

std::vector<Piece> pieces_of(const Contest& contest) {
  std::vector<Piece> pieces;
  size_t at = 0;
  for (const Contest::Result& result : contest.results) {
    const int64_t parts = result.count > kCompared ? kPieces : 1;
    const int64_t count = std::min(result.count, kCompared) / parts;
    for (int64_t i = 0; i < parts; i++) {
      const int64_t from = parts == 1 ? 0 : (result.count - count) * i / (parts - 1);
      const char* data = static_cast<const char*>(result.data) + static_cast<size_t>(from) * dtype_bytes(result.type);
      pieces.push_back({data, at, static_cast<size_t>(count), result.type});
      at += static_cast<size_t>(count);
    }
  }
  return pieces;
}

// The results, or pieces of them from their beginning to their end. A copy may go on after the call that asks for it,
// whatever memory it goes to.
std::vector<float> seen(const Contest& contest, cudaStream_t stream) {
  const std::vector<Piece> pieces = pieces_of(contest);
  std::vector<float> numbers(pieces.empty() ? 0 : pieces.back().at + pieces.back().count);
  for (const Piece& piece : pieces) {
    GRADSTEP_CUDA(cudaMemcpyAsync(numbers.data() + piece.at, piece.from, piece.count * dtype_bytes(piece.type),
                                  cudaMemcpyDeviceToHost, stream));
  }
  GRADSTEP_CUDA(cudaStreamSynchronize(stream));
  for (const Piece& piece : pieces) {
    if (piece.type == DType::kBfloat16) widen(numbers.data() + piece.at, piece.count);
  }
  return numbers;
}

bool alike(const std::vector<float>& a, const std::vector<float>& b, double tolerance) {
  for (size_t i = 0; i < a.size(); i++) {
    if (!(std::abs(static_cast<double>(a[i]) - b[i]) <= tolerance)) return false;  // nor is NaN alike
  }
  return true;
}

class Stopwatch {
 public:
  explicit Stopwatch(cudaStream_t stream)
      : stream_(stream), begin_(make_event(cudaEventDefault)), end_(make_event(cudaEventDefault)) {}

  template <typename Work>
  double seconds(const Work& work) const {
    GRADSTEP_CUDA(cudaEventRecord(begin_.get(), stream_));
    work();
    GRADSTEP_CUDA(cudaEventRecord(end_.get(), stream_));
    GRADSTEP_CUDA(cudaEventSynchronize(end_.get()));
    float milliseconds = 0;
    GRADSTEP_CUDA(cudaEventElapsedTime(&milliseconds, begin_.get(), end_.get()));
    return milliseconds / 1e3;
  }

 private:
  cudaStream_t stream_;
  OwnedEvent begin_, end_;
};

// Whether an entrant could do that. What fails and leaves the device as it was is the entrant's own affair; what harms
// the device, every later call would tell as well.
template <typename Work>
bool could(cudaStream_t stream, const Work& work) {
  try {
    return work();
  } catch (const Error& error) {
    if (strcmp(error.code(), "ERR_DEVICE_FAILED") != 0 || cudaStreamSynchronize(stream) != cudaSuccess) throw;
    return false;
  }
}

// One that runs: some launches in a row, in a graph as training steps are, so that it is not the host's time that is
// compared where kernels are short; and seconds of one of them, the least so far.
struct Runner {
  int entrant;
  int launches;
  OwnedGraphExec graph;
  double seconds = INFINITY;
};

std::vector<Runner> runners_of(const Contest& contest, cudaStream_t stream, const Stopwatch& watch) {
  std::vector<Runner> runners;
  for (int entrant = 0; entrant < contest.entrants; entrant++) {
    Runner runner{entrant, 0, {}};
    const auto launch = [&] { return contest.launch(entrant, stream); };
    contest.reset(stream);
    const bool runs = could(stream, [&] {
      if (!launch()) return false;  // what it does the first time alone
      bool launched = true;
      const double alone = watch.seconds([&] { launched = launch(); });
      runner.launches = static_cast<int>(std::clamp(kSampleSeconds / std::max(alone, 1e-9), 1.0, kMostLaunches));
      Capture capture(stream);
      for (int i = 0; i < runner.launches; i++) launched = launch() && launched;
      const OwnedGraph graph = capture.end();
      cudaGraphExec_t made = nullptr;
      GRADSTEP_CUDA(cudaGraphInstantiate(&made, graph.get(), 0));
      runner.graph = OwnedGraphExec(made);
      return launched;
    });
    if (runs) runners.push_back(std::move(runner));
  }
  return runners;
}

// In turn, so that all have the same device: one that was idle takes its time to reach the clock it works at. Until
// a round finds none faster than before.
void time_all(std::vector<Runner>& runners, cudaStream_t stream, const Stopwatch& watch) {
  for (int round = 0; round < kMostRounds; round++) {
    bool faster = false;
    for (Runner& runner : runners) {
      const double taken = watch.seconds([&] { GRADSTEP_CUDA(cudaGraphLaunch(runner.graph.get(), stream)); });
      const double seconds = taken / runner.launches;
      faster = faster || seconds < runner.seconds * kGain;
      runner.seconds = std::min(runner.seconds, seconds);
    }
    if (!faster && round >= kLeastRounds) return;
  }
}

std::vector<Runner>::iterator best_of(std::vector<Runner>& runners) {
  auto best = runners.begin();
  for (auto runner = runners.begin(); runner != runners.end(); ++runner) {
    if (runner->seconds < best->seconds * kGain) best = runner;
  }
  return best;
}

// What one computes; none where it fails after all.
std::optional<std::vector<float>> numbers_of(const Contest& contest, int entrant, cudaStream_t stream) {
  std::vector<float> numbers;
  contest.reset(stream);
  const bool ran = could(stream, [&] {
    if (!contest.launch(entrant, stream)) return false;
    numbers = seen(contest, stream);
    return true;
  });
  return ran ? std::optional(numbers) : std::nullopt;
}

int right_and_fastest(const Contest& contest, std::vector<Runner>& runners, const std::vector<float>& expected,
                      cudaStream_t stream) {
  while (!runners.empty()) {
    const auto best = best_of(runners);
    const auto numbers = numbers_of(contest, best->entrant, stream);
    if (numbers && alike(expected, *numbers, contest.tolerance)) return best->entrant;
    runners.erase(best);
  }
  return -1;
}

}  // namespace

int fastest(const Contest& contest) {
  const OwnedStream owned = make_stream();
  const cudaStream_t stream = owned.get();
  const Stopwatch watch(stream);
  std::vector<Runner> runners = runners_of(contest, stream, watch);
  time_all(runners, stream, watch);
  while (!runners.empty()) {
    const auto expected = numbers_of(contest, runners.front().entrant, stream);
    if (expected) return right_and_fastest(contest, runners, *expected, stream);
    runners.erase(runners.begin());
  }
  return -1;
}

void fill_with_numbers(void* to, int64_t count, cudaStream_t stream, float range, DType type) {
  if (count == 0) return;
  // An odd number of them, so that the rows of a matrix are not equal.
  const int64_t given = std::min<int64_t>(count, 16381);
  const auto each = static_cast<int64_t>(dtype_bytes(type));
  std::vector<char> numbers(static_cast<size_t>(given * each));
  uint32_t state = 1;
  for (int64_t i = 0; i < given; i++) {
    state = state * 1664525u + 1013904223u;
    const float x = ((static_cast<float>(state >> 9) + 0.5f) / 4194304.f - 1.f) * range;
    // The last bytes of a float32 are the first bits: bfloat16, cut off instead of rounded.
    memcpy(&numbers[static_cast<size_t>(i * each)], reinterpret_cast<const char*>(&x) + sizeof x - each,
           static_cast<size_t>(each));
  }
  auto* const bytes = static_cast<char*>(to);
  GRADSTEP_CUDA(cudaMemcpyAsync(bytes, numbers.data(), numbers.size(), cudaMemcpyHostToDevice, stream));
  for (int64_t filled = given; filled < count;) {
    const int64_t more = std::min(filled, count - filled);
    GRADSTEP_CUDA(cudaMemcpyAsync(bytes + filled * each, bytes, static_cast<size_t>(more * each),
                                  cudaMemcpyDeviceToDevice, stream));
    filled += more;
  }
  GRADSTEP_CUDA(cudaStreamSynchronize(stream));
}

}  // namespace gradstep::cuda
