#include "copies.h"

#include <cstdint>
#include <cstring>
#include <numeric>
#include <string>

namespace emulation {

void Copies::begin(void* to, const void* from, size_t bytes, bool wanted, Site site) {
  if (reinterpret_cast<uintptr_t>(to) % bytes != 0 || reinterpret_cast<uintptr_t>(from) % bytes != 0) {
    fail_thread("a copy of " + std::to_string(bytes) + " bytes whose addresses do not divide by them", site);
  }
  Copy copy{to, bytes, {}};
  if (wanted) memcpy(copy.content.data(), from, bytes);
  memset(to, 0xFF, bytes);
  under_way_.push_back(copy);
}

void Copies::commit() {
  groups_.push_back(under_way_.size() - std::accumulate(groups_.begin(), groups_.end(), size_t{0}));
}

void Copies::await(size_t groups) {
  while (groups_.size() > groups) {
    const auto end = under_way_.begin() + static_cast<std::ptrdiff_t>(groups_.front());
    for (auto copy = under_way_.begin(); copy != end; ++copy) memcpy(copy->to, copy->content.data(), copy->bytes);
    under_way_.erase(under_way_.begin(), end);
    groups_.erase(groups_.begin());
  }
}

}  // namespace emulation
