#include "device_memory.h"

#include <sys/mman.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>

namespace emulation {
namespace {

constexpr size_t kPage = 4096;
constexpr size_t kGuard = 16 * kPage;
constexpr size_t kAlignment = 256;

struct Allocation {
  int device;
  char* mapping;  // guard, slack, data, slack, guard
  size_t mapped_bytes;
  char* data;
  size_t bytes;

  char* slack_begin() const { return mapping + kGuard; }
  char* slack_end() const { return mapping + mapped_bytes - kGuard; }
  bool has(const char* at) const { return at >= data && at < data + bytes; }
  void protect(int protection) const {
    mprotect(slack_begin(), static_cast<size_t>(slack_end() - slack_begin()), protection);
  }
};

std::mutex one_device;  // works at a time; held before `mutex`
int working = 0;        // the device whose memory can be reached
std::mutex mutex;
auto& allocations = *new std::map<const char*, Allocation>;  // by address; outlives the process's last thread

// Four bytes that are NaN as float and nobody's number.
char pattern(const char* at) { return "\xAD\xDE\xC0\xFF"[reinterpret_cast<uintptr_t>(at) & 3]; }

void fill_pattern(char* from, char* to) {
  for (char* at = from; at < to; at++) *at = pattern(at);
}

const char* first_change(const char* from, const char* to) {
  for (const char* at = from; at < to; at++) {
    if (*at != pattern(at)) return at;
  }
  return nullptr;
}

std::string describe(const Allocation& a, const char* address) {
  const std::string size = " a device allocation of " + std::to_string(a.bytes) + " bytes";
  if (a.has(address))
    return std::to_string(address - a.data) + " bytes into" + size + " on device " + std::to_string(a.device);
  if (address < a.data) return std::to_string(a.data - address) + " bytes before" + size;
  return std::to_string(address - a.data - static_cast<ptrdiff_t>(a.bytes)) + " bytes after" + size;
}

std::string check_one(const Allocation& a) {
  const char* changed = first_change(a.slack_begin(), a.data);
  if (changed == nullptr) changed = first_change(a.data + a.bytes, a.slack_end());
  if (changed == nullptr) return "";
  fill_pattern(a.slack_begin(), a.data);
  fill_pattern(a.data + a.bytes, a.slack_end());
  return "wrote " + describe(a, changed);
}

}  // namespace

size_t device_bytes() {
  const char* text = getenv("GRADSTEP_EMULATION_MEMORY");
  return text == nullptr ? size_t{4} << 30 : strtoull(text, nullptr, 10);
}

Working::Working(int device) : lock_(one_device) {
  if (device == working) return;
  std::lock_guard<std::mutex> lock(mutex);
  for (const auto& [address, a] : allocations) {
    if (a.device == working) a.protect(PROT_NONE);
    if (a.device == device) a.protect(PROT_READ | PROT_WRITE);
  }
  working = device;
}

size_t device_bytes_free(int device) {
  std::lock_guard<std::mutex> lock(mutex);
  size_t used = 0;
  for (const auto& [address, a] : allocations) used += a.device == device ? a.bytes : 0;
  return device_bytes() > used ? device_bytes() - used : 0;
}

size_t device_allocations() {
  std::lock_guard<std::mutex> lock(mutex);
  return allocations.size();
}

void* allocate_device(int device, size_t bytes) {
  const Working only(device);
  if (device_bytes_free(device) < bytes) return nullptr;
  const size_t rounded = (bytes + kAlignment - 1) / kAlignment * kAlignment;
  const size_t pages = (rounded + kPage - 1) / kPage * kPage;
  const size_t mapped = pages + 2 * kGuard;
  void* mapping = mmap(nullptr, mapped, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapping == MAP_FAILED) return nullptr;
  Allocation a{device, static_cast<char*>(mapping), mapped, nullptr, bytes};
  a.protect(PROT_READ | PROT_WRITE);
  a.data = a.slack_end() - rounded;
  fill_pattern(a.slack_begin(), a.data);
  memset(a.data, 0xFF, bytes);
  fill_pattern(a.data + bytes, a.slack_end());
  std::lock_guard<std::mutex> lock(mutex);
  allocations.emplace(a.data, a);
  return a.data;
}

bool free_device(void* address) {
  std::lock_guard<std::mutex> lock(mutex);
  const auto found = allocations.find(static_cast<const char*>(address));
  if (found == allocations.end()) return false;
  munmap(found->second.mapping, found->second.mapped_bytes);
  allocations.erase(found);
  return true;
}

int device_of(const void* address, size_t bytes) {
  const char* at = static_cast<const char*>(address);
  std::lock_guard<std::mutex> lock(mutex);
  auto after = allocations.upper_bound(at);
  if (after == allocations.begin()) return -1;
  const Allocation& a = std::prev(after)->second;
  return at >= a.data && at + bytes <= a.data + a.bytes ? a.device : -1;
}

Range allocation_at(const void* address) {
  std::lock_guard<std::mutex> lock(mutex);
  auto after = allocations.upper_bound(static_cast<const char*>(address));
  if (after == allocations.begin()) return {nullptr, nullptr};
  const Allocation& a = std::prev(after)->second;
  if (!a.has(static_cast<const char*>(address))) return {nullptr, nullptr};
  return {a.data, a.data + a.bytes};
}

Range pages_of(const void* allocation) {
  std::lock_guard<std::mutex> lock(mutex);
  const Allocation& a = allocations.at(static_cast<const char*>(allocation));
  if (a.device != working) return {nullptr, nullptr};
  return {a.slack_begin(), a.slack_end()};
}

std::vector<Range> working_allocations() {
  std::lock_guard<std::mutex> lock(mutex);
  std::vector<Range> found;
  for (const auto& [address, a] : allocations) {
    if (a.device == working) found.push_back({a.data, a.data + a.bytes});
  }
  return found;
}

std::string check_red_zones() {
  std::lock_guard<std::mutex> lock(mutex);
  std::string found;
  for (const auto& [address, allocation] : allocations) {
    if (allocation.device != working) continue;
    const std::string one = check_one(allocation);
    if (found.empty()) found = one;
  }
  return found;
}

std::string describe_address(const void* address) {
  const char* at = static_cast<const char*>(address);
  std::lock_guard<std::mutex> lock(mutex);
  for (const auto& [data, a] : allocations) {
    if (at >= a.mapping && at < a.mapping + a.mapped_bytes) return describe(a, at);
  }
  char text[64];
  snprintf(text, sizeof text, "address %p, which is nobody's", address);
  return text;
}

}  // namespace emulation
