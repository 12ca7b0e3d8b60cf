#include "core/schedule.h"

#include <algorithm>
#include <map>

#include "core/op_info.h"

namespace gradstep {
namespace {

constexpr int kNone = -1;
constexpr size_t kMostSteps = 4096;  // of which is kept who waits for whom: two megabytes

// Who used each byte of a region last: the step that wrote it and those that have read it since.
class Uses {
 public:
  void read(uint64_t begin, uint64_t end, int step, std::vector<int>& before) {
    cut(begin, end);
    for (auto at = pieces_.find(begin); at != pieces_.end() && at->first < end; ++at) {
      Piece& piece = at->second;
      if (piece.writer != kNone) before.push_back(piece.writer);
      if (piece.readers.empty() || piece.readers.back() != step) piece.readers.push_back(step);
    }
  }

  void write(uint64_t begin, uint64_t end, int step, std::vector<int>& before) {
    cut(begin, end);
    const auto first = pieces_.find(begin);
    auto at = first;
    for (; at != pieces_.end() && at->first < end; ++at) {
      if (at->second.writer != kNone) before.push_back(at->second.writer);
      before.insert(before.end(), at->second.readers.begin(), at->second.readers.end());
    }
    pieces_.erase(first, at);
    pieces_[begin] = {end, step, {}};
  }

 private:
  struct Piece {
    uint64_t end;
    int writer;
    std::vector<int> readers;
  };

  // Makes pieces begin and end at these places, and lie in between without gaps.
  void cut(uint64_t begin, uint64_t end) {
    split(begin);
    split(end);
    for (uint64_t at = begin; at < end;) {
      const auto next = pieces_.lower_bound(at);
      if (next != pieces_.end() && next->first == at) {
        at = next->second.end;
        continue;
      }
      const uint64_t until = next == pieces_.end() ? end : std::min(end, next->first);
      pieces_[at] = {until, kNone, {}};
      at = until;
    }
  }

  void split(uint64_t at) {
    auto next = pieces_.upper_bound(at);
    if (next == pieces_.begin()) return;
    auto piece = std::prev(next);
    if (piece->first == at || piece->second.end <= at) return;
    Piece rest = piece->second;
    piece->second.end = at;
    pieces_[at] = std::move(rest);
  }

  std::map<uint64_t, Piece> pieces_;  // by where they begin; none overlap
};

class Memory {
 public:
  // The steps whose memory this one uses; `number`: its own.
  std::vector<int> use(const ProgramStep& step, int number) {
    std::vector<int> before;
    const OpInfo& op = op_table()[step.op];
    for (const bool writing : {false, true}) {
      for (const FieldInfo& field : op.fields) {
        const bool reads = field.role == FieldRole::kInput || field.role == FieldRole::kMutated;
        const bool writes = field.role == FieldRole::kOutput || field.role == FieldRole::kMutated;
        if (!(writing ? writes : reads)) continue;
        const auto& tensor = *reinterpret_cast<const Tensor*>(static_cast<const char*>(step.args) + field.offset);
        const uint64_t bytes = static_cast<uint64_t>(tensor.size()) * dtype_bytes(tensor.dtype);
        if (!tensor.present() || bytes == 0) continue;
        Uses& region = tensor.region == Region::kPersistent ? persistent_ : scratch_;
        // What is added to is an output as well, so writing stands for both.
        if (writing) {
          region.write(tensor.offset, tensor.offset + bytes, number, before);
        } else {
          region.read(tensor.offset, tensor.offset + bytes, number, before);
        }
      }
    }
    std::sort(before.begin(), before.end());
    before.erase(std::unique(before.begin(), before.end()), before.end());
    before.erase(std::remove(before.begin(), before.end(), number), before.end());
    return before;
  }

 private:
  Uses persistent_, scratch_;
};

// Whom each step waits for, in the end.
class Ancestors {
 public:
  explicit Ancestors(size_t steps) : words_((steps + 63) / 64) {}

  bool has(int step, int ancestor) const {
    return (bits_[static_cast<size_t>(step) * words_ + static_cast<size_t>(ancestor) / 64] >> (ancestor % 64) & 1) != 0;
  }

  // Adds the next step, and leaves of `before` only those that no other of them waits for.
  void add(std::vector<int>& before) {
    std::vector<int> direct;
    for (const int step : before) {
      const bool implied = std::any_of(before.begin(), before.end(), [&](int other) { return has(other, step); });
      if (!implied) direct.push_back(step);
    }
    const size_t from = bits_.size();
    bits_.resize(from + words_);
    for (const int step : direct) {
      for (size_t i = 0; i < words_; i++) bits_[from + i] |= bits_[static_cast<size_t>(step) * words_ + i];
      bits_[from + static_cast<size_t>(step) / 64] |= uint64_t{1} << (step % 64);
    }
    before = std::move(direct);
  }

 private:
  size_t words_;
  std::vector<uint64_t> bits_;
};

}  // namespace

Schedule schedule(const Program& program) {
  const size_t steps = program.steps.size();
  Schedule result;
  result.lane.assign(steps, 0);
  result.longest = static_cast<int>(steps);
  if (steps > kMostSteps) return result;
  Memory memory;
  Ancestors ancestors(steps);
  std::vector<int> last;             // of each lane
  std::vector<int> depth(steps, 1);  // steps on the longest way that ends with each
  result.longest = 0;
  for (size_t i = 0; i < steps; i++) {
    const int step = static_cast<int>(i);
    std::vector<int> before = memory.use(program.steps[i], step);
    ancestors.add(before);
    for (const int other : before) depth[i] = std::max(depth[i], depth[static_cast<size_t>(other)] + 1);
    result.longest = std::max(result.longest, depth[i]);
    // The lane of the last step that it waits for; else one whose steps it waits for all the same; else a new one; else
    // the one that is done first.
    int best = kNone, best_rank = kNone;
    for (size_t l = 0; l < last.size(); l++) {
      const int end = last[l];
      const bool direct = std::find(before.begin(), before.end(), end) != before.end();
      const bool waited_for = direct || ancestors.has(step, end);
      const int deep = depth[static_cast<size_t>(end)];
      const int count = static_cast<int>(steps) + 1;
      const int rank = direct ? 2 * count + deep : waited_for ? count + deep : count - deep;
      if (!waited_for && last.size() < static_cast<size_t>(kMostLanes)) continue;
      if (rank > best_rank) {
        best = static_cast<int>(l);
        best_rank = rank;
      }
    }
    if (best == kNone) {
      best = static_cast<int>(last.size());
      last.push_back(step);
    }
    last[static_cast<size_t>(best)] = step;
    result.lane[i] = best;
  }
  result.lanes = std::max<int>(1, static_cast<int>(last.size()));
  return result;
}

std::vector<std::vector<int>> waits(const Program& program, const Schedule& schedule, int64_t times,
                                    const std::vector<bool>& exclusive) {
  const size_t steps = program.steps.size(), all = steps * static_cast<size_t>(times);
  Memory memory;
  Ancestors ancestors(all);
  std::vector<int> last(static_cast<size_t>(schedule.lanes), kNone);
  int last_exclusive = kNone;
  std::vector<std::vector<int>> result(all);
  for (size_t i = 0; i < all; i++) {
    std::vector<int>& before = result[i];
    before = memory.use(program.steps[i % steps], static_cast<int>(i));
    const auto comes_after = [&](int& other) {
      if (other != kNone && std::find(before.begin(), before.end(), other) == before.end()) before.push_back(other);
      other = static_cast<int>(i);
    };
    comes_after(last[static_cast<size_t>(schedule.lane[i % steps])]);
    if (!exclusive.empty() && exclusive[i % steps]) comes_after(last_exclusive);
    ancestors.add(before);
  }
  return result;
}

}  // namespace gradstep
