#include "races.h"

#include <dlfcn.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstdio>
#include <iterator>
#include <map>
#include <string>
#include <vector>

#include "device_memory.h"
#include "emulation.h"
#include "shared_memory.h"

namespace emulation {
namespace {

// The smallest element that threads read and write side by side: what several have read of a word counts as all of it.
constexpr size_t kWord = 2;

// Whose accesses a word remembers: of several threads only the last one is known.
enum class Whose : uint8_t { kOneThread, kOneWarp, kOneBlock, kSeveralBlocks };

struct Access {
  uint32_t launch = 0;  // 0: there was none
  uint32_t block = 0, thread = 0;
  uint32_t barriers = 0, warp_barriers = 0;  // that the thread had passed
  uint32_t arrivals = 0;        // of the thread's block before, in a cluster of the thread; of several the most
  bool several_groups = false;  // or clusters
  uint8_t bytes = 0;            // of the word, a bit each
  Whose whose = Whose::kOneThread;
};

struct Word {
  Access read, write;
};
constexpr uint32_t kNoKernel = 0xffffffffu;  // launch of writes by others

// The words of a piece of memory. What nobody touches takes no room.
struct Piece {
  size_t bytes = 0;
  bool shared = false;
  Word* words = nullptr;
};

// One grid runs at a time. Never destroyed, as a device's thread may outlive main.
bool prepared = false, watching = false;
Access self;
const char *stack_begin = nullptr, *stack_end = nullptr;
auto& barriers = *new std::vector<uint32_t>;  // of each block
auto& warp_barriers = *new std::vector<uint32_t>;
uint32_t cluster_blocks = 0;    // of a cluster; 0: there are none
uint32_t waits_in_cluster = 0;  // of the running thread
// Of each block that counts arrivals.
struct Meetings {
  const void* count = nullptr;
  uint32_t arrivals = 0, waits = 0;
};
auto& meetings = *new std::map<uint32_t, Meetings>;
auto& pieces = *new std::map<const char*, Piece>;
const char* last_begin = nullptr;
const Piece* last = nullptr;

size_t room_for(size_t bytes) { return (bytes / kWord + 2) * sizeof(Word); }

// The pieces that there are now: what is known of those that there were before stays.
void find_pieces() {
  std::map<const char*, Piece> before;
  before.swap(pieces);
  const auto add = [&](const Range& memory, bool shared) {
    const auto known = before.find(memory.begin);
    if (known != before.end() && known->second.bytes == memory.bytes()) {
      pieces.insert(before.extract(known));
      return;
    }
    void* const words = mmap(nullptr, room_for(memory.bytes()), PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (words != MAP_FAILED) pieces[memory.begin] = {memory.bytes(), shared, static_cast<Word*>(words)};
  };
  add(shared_variables(), true);
  for (const Range& piece : dynamic_shared_pieces()) add(piece, true);
  for (const Range& memory : working_allocations()) add(memory, false);
  for (const auto& [begin, piece] : before) munmap(piece.words, room_for(piece.bytes));
  last = nullptr;
}

// Whether the piece that has an address is found; then it is the last one.
bool find_piece(const char* address) {
  if (last != nullptr && address >= last_begin && address < last_begin + last->bytes) return true;
  const auto after = pieces.upper_bound(address);
  if (after == pieces.begin()) return false;
  const auto& [begin, piece] = *std::prev(after);
  if (address >= begin + piece.bytes) return false;
  last_begin = begin;
  last = &piece;
  return true;
}

const void* count_of(uint32_t block) {
  const auto found = meetings.find(block);
  return found == meetings.end() ? nullptr : found->second.count;
}

// Whether shared memory of another access's block is what this thread means by that too.
bool is_in_cluster(const Access& other) {
  if (cluster_blocks == 0) return other.block == self.block;
  return other.block / cluster_blocks == self.block / cluster_blocks;
}

// Whether an access lies before the count that this block has waited for, or in a cluster the barrier that this thread
// has.
bool lies_before(const Access& other) {
  if (cluster_blocks > 0) {
    return is_in_cluster(other) && !other.several_groups && other.arrivals < waits_in_cluster;
  }
  const auto mine = meetings.find(self.block);
  if (mine == meetings.end() || other.several_groups || count_of(other.block) != mine->second.count) return false;
  return mine->second.waits > other.arrivals;
}

// Whether nothing says which comes first: what is remembered, or what the thread does now.
bool is_unordered(const Access& before, uint8_t bytes) {
  if (before.launch != self.launch || (before.bytes & bytes) == 0) return false;
  if (last->shared && !is_in_cluster(before)) return false;
  if (cluster_blocks > 0 && lies_before(before)) return false;
  if (before.whose == Whose::kSeveralBlocks || before.block != self.block) return !lies_before(before);
  if (before.barriers != self.barriers) return false;
  if (before.whose == Whose::kOneBlock || before.thread / kWarp != self.thread / kWarp) return true;
  if (before.warp_barriers != self.warp_barriers) return false;
  return before.whose == Whose::kOneWarp || before.thread != self.thread;
}

bool is_written(const Access& write) {
  return last->shared ? write.launch == self.launch && is_in_cluster(write) : write.launch != 0;
}

// What is remembered of a word and does not lie before what the thread does now is kept in mind as somebody's.
void remember(Access& to, uint8_t bytes) {
  Access now = self;
  now.bytes = bytes;
  if (to.launch == self.launch && !(cluster_blocks > 0 && lies_before(to))) {
    if (to.block != self.block || to.whose == Whose::kSeveralBlocks) {
      if (!last->shared && !lies_before(to)) {
        now.whose = Whose::kSeveralBlocks;
        now.arrivals = std::max(now.arrivals, to.arrivals);
        // Where a block counts is not known before it does.
        const void *before = count_of(to.block), *mine = count_of(self.block);
        now.several_groups = to.several_groups || (before != nullptr && mine != nullptr && before != mine) ||
                             (cluster_blocks > 0 && !is_in_cluster(to));
      }
    } else if (to.barriers == self.barriers) {
      if (to.thread / kWarp != self.thread / kWarp || to.whose == Whose::kOneBlock) {
        now.whose = Whose::kOneBlock;
      } else if (to.warp_barriers == self.warp_barriers && (to.thread != self.thread || to.whose == Whose::kOneWarp)) {
        now.whose = Whose::kOneWarp;
      }
      now.arrivals = std::max(now.arrivals, to.arrivals);
      now.bytes |= to.bytes;
    }
    if (now.whose == Whose::kSeveralBlocks) now.bytes |= to.bytes;
  }
  to = now;
}

[[noreturn]] void fail_access(const std::string& what, const void* code) {
  char place[32] = "";
  Dl_info info{};
  if (dladdr(code, &info) != 0) {
    snprintf(place, sizeof place, "0x%tx",
             static_cast<const char*>(code) - static_cast<const char*>(info.dli_fbase) - 1);
  }
  watching = false;
  fail_thread(what + " (code " + place + ")");
}

std::string text_of_memory() { return last->shared ? "shared memory" : "device memory"; }

[[noreturn]] void fail_unordered(const Access& other, bool wrote, bool writes, const void* code) {
  fail_access((writes ? "wrote " : "read ") + text_of_memory() + " that thread " + std::to_string(other.thread) +
                  " of block " + std::to_string(other.block) + (wrote ? " wrote" : " read") +
                  ", and nothing says which comes first",
              code);
}

// Calls use(word, which of its bytes) for every word of what the last piece found has.
template <typename Use>
void for_words(const char* address, size_t bytes, Use use) {
  for (const char* const end = address + bytes; address < end;) {
    const size_t skipped = reinterpret_cast<uintptr_t>(address) % kWord;
    const size_t here = std::min(kWord - skipped, static_cast<size_t>(end - address));
    const size_t in_piece = static_cast<size_t>(address - last_begin) + reinterpret_cast<uintptr_t>(last_begin) % kWord;
    use(last->words[in_piece / kWord], static_cast<uint8_t>(((1u << here) - 1) << skipped));
    address += here;
  }
}

void access(const void* at, size_t bytes, bool writes, const void* code) {
  if (!watching) return;
  const char* address = static_cast<const char*>(at);
  if ((address >= stack_begin && address < stack_end) || !find_piece(address)) return;
  for_words(address, bytes, [&](Word& word, uint8_t mask) {
    if (!writes && !is_written(word.write)) fail_access("read " + text_of_memory() + " that nobody wrote", code);
    if (is_unordered(word.write, mask)) fail_unordered(word.write, true, writes, code);
    if (writes && is_unordered(word.read, mask)) fail_unordered(word.read, false, writes, code);
    remember(writes ? word.write : word.read, mask);
  });
}

}  // namespace

void watch_launch(size_t warps, size_t blocks, unsigned cluster) {
  if (!prepared) return;
  find_pieces();
  self = Access{self.launch + 1};
  meetings.clear();
  barriers.assign(blocks, 0);
  warp_barriers.assign(warps, 0);
  cluster_blocks = cluster;
  watching = true;
}

void watch_thread(uint64_t block, uint64_t thread, size_t place, size_t warp, const char* stack, size_t stack_bytes) {
  if (!watching) return;
  self.block = static_cast<uint32_t>(block);
  self.thread = static_cast<uint32_t>(thread);
  self.barriers = barriers[place];
  self.warp_barriers = warp_barriers[warp];
  const auto found = meetings.find(self.block);
  self.arrivals = found == meetings.end() ? 0 : found->second.arrivals;
  stack_begin = stack;
  stack_end = stack + stack_bytes;
}

void passed_barrier(size_t place) {
  if (watching) barriers[place]++;
}

void stands_in_cluster(uint32_t arrived, uint32_t waited) {
  if (!watching) return;
  self.arrivals = arrived;
  waits_in_cluster = waited;
}

void stores_in_block(const void* at, size_t bytes, const void* code) { access(at, bytes, true, code); }

void block_arrived(const void* count) {
  if (!watching) return;
  Meetings& mine = meetings[self.block];
  mine.count = count;
  self.arrivals = ++mine.arrivals;
}

void block_waited() {
  if (watching) meetings[self.block].waits++;
}

// By the thread that runs, and those that wait for it.
void passed_warp_barrier(size_t warp) {
  if (watching) self.warp_barriers = ++warp_barriers[warp];
}

void watch_nothing() { watching = false; }

void was_written(const void* address, size_t bytes) {
  if (!prepared) return;
  const char* const at = static_cast<const char*>(address);
  if (!find_piece(at)) find_pieces();
  if (!find_piece(at)) return;  // the host's
  for_words(at, bytes, [](Word& word, uint8_t) { word.write = Access{kNoKernel}; });
}

void forget_writes(const void* allocation) {
  const auto found = pieces.find(static_cast<const char*>(allocation));
  if (found == pieces.end()) return;
  munmap(found->second.words, room_for(found->second.bytes));
  pieces.erase(found);
  last = nullptr;
}

Atomic::Atomic() : watched_(watching) { watching = false; }
Atomic::~Atomic() { watching = watched_; }

}  // namespace emulation

// What the compiler calls (-fsanitize=thread, whose own library is not linked).
#define GRADSTEP_CODE __builtin_return_address(0)
#define GRADSTEP_ACCESSES(bytes)                                                                      \
  void __tsan_read##bytes(void* at) { emulation::access(at, bytes, false, GRADSTEP_CODE); }           \
  void __tsan_write##bytes(void* at) { emulation::access(at, bytes, true, GRADSTEP_CODE); }           \
  void __tsan_unaligned_read##bytes(void* at) { emulation::access(at, bytes, false, GRADSTEP_CODE); } \
  void __tsan_unaligned_write##bytes(void* at) { emulation::access(at, bytes, true, GRADSTEP_CODE); }

extern "C" {
void __tsan_init() { emulation::prepared = true; }
GRADSTEP_ACCESSES(1)
GRADSTEP_ACCESSES(2)
GRADSTEP_ACCESSES(4)
GRADSTEP_ACCESSES(8)
GRADSTEP_ACCESSES(16)
void __tsan_read_range(void* at, size_t bytes) { emulation::access(at, bytes, false, GRADSTEP_CODE); }
void __tsan_write_range(void* at, size_t bytes) { emulation::access(at, bytes, true, GRADSTEP_CODE); }
void __tsan_vptr_update(void**, void*) {}
void __tsan_vptr_read(void**) {}
// Of variables that are made when they are first needed; no kernel has any.
uint8_t __tsan_atomic8_load(const volatile uint8_t* at, int) { return __atomic_load_n(at, __ATOMIC_SEQ_CST); }
// Of owners that the host's part of an op shares.
uint32_t __tsan_atomic32_fetch_add(volatile uint32_t* at, uint32_t value, int) {
  return __atomic_fetch_add(at, value, __ATOMIC_SEQ_CST);
}
}
