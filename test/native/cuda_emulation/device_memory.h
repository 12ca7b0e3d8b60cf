// The emulated devices' memory. Every allocation ends where an unreadable page begins, and the bytes around it that
// belong to nobody hold a pattern: a kernel that strays far faults, one that strays a little changes the pattern, and
// one that strays into another device's memory faults too. New memory is all ones, which is NaN as float. The size of
// each device: GRADSTEP_EMULATION_MEMORY bytes, 4 GiB without it.
#pragma once

#include <cstddef>
#include <mutex>
#include <string>
#include <vector>

namespace emulation {

// While it lives this device works, no other one does, and only its memory can be read and written.
class Working {
 public:
  explicit Working(int device);

 private:
  std::lock_guard<std::mutex> lock_;
};

void* allocate_device(int device, size_t bytes);  // null: the device is full
bool free_device(void* address);
int device_of(const void* address, size_t bytes);  // −1: not all of it lies in one allocation

struct Range {
  char* begin;
  char* end;
  size_t bytes() const { return static_cast<size_t>(end - begin); }
};
Range allocation_at(const void* address);  // null: none has it
Range pages_of(const void* allocation);    // null: it is not the working device's
std::vector<Range> working_allocations();

size_t device_bytes();
size_t device_bytes_free(int device);
size_t device_allocations();  // of all devices

// What was written where nobody may write, in the memory of the device that works, since the last look; empty: nothing.
// The pattern is restored.
std::string check_red_zones();
// "16 bytes after a device allocation of 256 bytes", or where else an address that faulted lies.
std::string describe_address(const void* address);

}  // namespace emulation
