#include "under_way.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>

#include "order.h"

namespace emulation {
namespace {

std::mutex mutex;
auto& pinned = *new std::map<const char*, size_t>;  // never destroyed, as a device's thread may outlive main

}  // namespace

void* allocate_pinned(size_t bytes) {
  void* const address = malloc(bytes);
  if (address == nullptr) return nullptr;
  const std::lock_guard<std::mutex> lock(mutex);
  pinned.emplace(static_cast<char*>(address), bytes);
  return address;
}

void free_pinned(void* address) {
  size_t bytes = 0;
  {
    const std::lock_guard<std::mutex> lock(mutex);
    const auto found = pinned.find(static_cast<char*>(address));
    bytes = found->second;
    pinned.erase(found);
  }
  forget_copies(address, bytes);
  free(address);
}

bool is_pinned(const void* address) {
  const char* const at = static_cast<const char*>(address);
  const std::lock_guard<std::mutex> lock(mutex);
  const auto after = pinned.upper_bound(at);
  return after != pinned.begin() && at < std::prev(after)->first + std::prev(after)->second;
}

void UnderWay::to_device(uint64_t turn, const void* from, size_t bytes) {
  const char* const data = static_cast<const char*>(from);
  copies_.push_back({turn, const_cast<char*>(data), true, std::vector<char>(data, data + bytes)});
}

std::string UnderWay::to_host(uint64_t turn, void* to, const void* from, size_t bytes) {
  char* const host = static_cast<char*>(to);
  const std::string wrong = end([&](const Copy& c) { return c.host < host + bytes && host < c.host + c.bytes.size(); });
  const char* const data = static_cast<const char*>(from);
  copies_.push_back({turn, host, false, std::vector<char>(data, data + bytes)});
  memset(to, 0xFF, bytes);
  return wrong;
}

std::string UnderWay::arrive(uint64_t turn) {
  return end([&](const Copy& c) { return c.turn <= turn; });
}

void UnderWay::forget(const void* address, size_t bytes) {
  const char* const begin = static_cast<const char*>(address);
  const auto inside = [&](const Copy& c) { return c.host >= begin && c.host < begin + bytes; };
  copies_.erase(std::remove_if(copies_.begin(), copies_.end(), inside), copies_.end());
}

template <typename Which>
std::string UnderWay::end(Which which) {
  std::string wrong;
  for (const Copy& c : copies_) {
    if (!which(c)) continue;
    if (!c.to_device) {
      memcpy(c.host, c.bytes.data(), c.bytes.size());
    } else if (memcmp(c.host, c.bytes.data(), c.bytes.size()) != 0) {
      wrong = "the host changed " + std::to_string(c.bytes.size()) + " bytes before it had waited for their copy";
    }
  }
  copies_.erase(std::remove_if(copies_.begin(), copies_.end(), which), copies_.end());
  return wrong;
}

}  // namespace emulation
