// Page-locked memory of the host, and the copies from and to it that one stream was told to make. A copy is made at
// once, but the host finds out only when it waits: until then what came from the device is not there (its place is all
// ones, which is NaN), and what goes to the device must stay as it was.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace emulation {

void* allocate_pinned(size_t bytes);
void free_pinned(void* address);
bool is_pinned(const void* address);

class UnderWay {
 public:
  // `turn`: the piece of the stream's work that the copy is.
  void to_device(uint64_t turn, const void* from, size_t bytes);
  // Returns what is wrong, if anything, with copies to the device that end before this one overwrites what they copy.
  std::string to_host(uint64_t turn, void* to, const void* from, size_t bytes);
  // The host has waited for the stream's work up to `turn`. Returns what is wrong, if anything.
  std::string arrive(uint64_t turn);
  // The page-locked memory is freed.
  void forget(const void* address, size_t bytes);

 private:
  struct Copy {
    uint64_t turn;
    char* host;
    bool to_device;
    std::vector<char> bytes;
  };
  // Ends the copies that `which` holds for.
  template <typename Which>
  std::string end(Which which);

  std::vector<Copy> copies_;
};

}  // namespace emulation
