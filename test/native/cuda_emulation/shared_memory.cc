#include "shared_memory.h"

#include <link.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <vector>

namespace emulation {
namespace {

// What holds the module's thread_local variables, which here are the __shared__ ones and nothing else.
struct Shared {
  ptrdiff_t offset;
  size_t bytes;
};
thread_local char shared_anchor;

Shared find_shared() {
  struct Search {
    char* anchor;
    Shared found;
  } search{&shared_anchor, {0, 0}};
  dl_iterate_phdr(
      [](dl_phdr_info* info, size_t, void* data) {
        auto& s = *static_cast<Search*>(data);
        for (int i = 0; i < info->dlpi_phnum; i++) {
          const auto& header = info->dlpi_phdr[i];
          char* begin = static_cast<char*>(info->dlpi_tls_data);
          if (header.p_type != PT_TLS || begin == nullptr) continue;
          if (s.anchor >= begin && s.anchor < begin + header.p_memsz) s.found = {begin - s.anchor, header.p_memsz};
        }
        return 0;
      },
      &search);
  return search.found;
}

constexpr size_t kMaxDynamic = 256 * 1024;
constexpr size_t kGuard = 64 * 1024;

auto& dynamic_ends = *new std::vector<char*>;

char* dynamic_end(size_t place) {
  while (dynamic_ends.size() <= place) {
    void* memory = mmap(nullptr, kMaxDynamic + kGuard, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char* const at = static_cast<char*>(memory) + kMaxDynamic;
    mprotect(at, kGuard, PROT_NONE);
    dynamic_ends.push_back(at);
  }
  return dynamic_ends[place];
}

}  // namespace

void poison_shared(uint64_t block) {
  constexpr size_t kChunk = 1024;
  static const Shared shared = find_shared();
  static const auto& pattern = *new std::vector<char>(kChunk, static_cast<char>(0xFF));
  static auto& written = *new std::vector<bool>((shared.bytes + kChunk - 1) / kChunk);
  char* const memory = &shared_anchor + shared.offset;
  if (block == 0) {
    memset(memory, 0xFF, shared.bytes);
    written.assign(written.size(), false);
    return;
  }
  for (size_t i = 0; i < written.size(); i++) {
    char* const chunk = memory + i * kChunk;
    const size_t bytes = std::min(kChunk, shared.bytes - i * kChunk);
    if (!written[i] && (block - 1) % 16 == 0) written[i] = memcmp(chunk, pattern.data(), bytes) != 0;
    if (written[i]) memset(chunk, 0xFF, bytes);
  }
}

Range shared_variables() {
  static const Shared shared = find_shared();
  char* const begin = &shared_anchor + shared.offset;
  return {begin, begin + shared.bytes};
}

std::vector<Range> dynamic_shared_pieces() {
  dynamic_end(0);
  std::vector<Range> pieces;
  for (char* const end : dynamic_ends) pieces.push_back({end - kMaxDynamic, end});
  return pieces;
}

// Word by word in a loop that compilers make wide: there are some megabytes, looked through after many a launch.
size_t shared_in_use() {
  const Range all = shared_variables();
  const size_t words = static_cast<size_t>(all.end - all.begin) / sizeof(uint32_t);
  size_t used = 0;
  for (size_t i = 0; i < words; i++) {
    uint32_t word;
    memcpy(&word, all.begin + i * sizeof word, sizeof word);
    used += word != ~0u;
  }
  return used * sizeof(uint32_t);
}

void poison_dynamic_shared(size_t bytes, size_t place) { memset(dynamic_end(place) - bytes, 0xFF, bytes); }

void* dynamic_shared_begin(size_t bytes, size_t place) { return dynamic_end(place) - bytes; }

bool is_past_dynamic_shared(const void* address) {
  const char* const at = static_cast<const char*>(address);
  return std::any_of(dynamic_ends.begin(), dynamic_ends.end(),
                     [at](char* end) { return at >= end && at < end + kGuard; });
}

}  // namespace emulation
