// The emulated device's memory. Every allocation ends where an unreadable page begins, and the bytes around it that
// belong to nobody hold a pattern: a kernel that strays far faults, one that strays a little changes the pattern. New
// memory is all ones, which is NaN as float. The device's size: GRADSTEP_EMULATION_MEMORY bytes, 4 GiB without it.
#pragma once

#include <cstddef>
#include <string>

namespace emulation {

void* allocate_device(size_t bytes);  // null: the device is full
bool free_device(void* address);
bool is_device(const void* address, size_t bytes);  // whether all of it lies in one allocation
size_t device_bytes();
size_t device_bytes_free();

// What was written where nobody may write since the last look; empty: nothing. The pattern is restored.
std::string check_red_zones();
// "16 bytes after a device allocation of 256 bytes", or where else an address that faulted lies.
std::string describe_address(const void* address);

}  // namespace emulation
