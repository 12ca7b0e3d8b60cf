// What the compiler's checks call (-fsanitize=alignment,bounds,shift,signed-integer-overflow,integer-divide-by-zero, on
// .cu files only): vector accesses at addresses that do not divide, which stop a GPU but not this processor, and
// indices outside arrays of known size, such as tiles in shared memory. In a kernel each becomes the failure of its
// launch.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "emulation.h"

namespace {

// What every record of a check begins with.
struct Place {
  const char* file;
  uint32_t line, column;
};

[[noreturn]] void report(const void* record, const std::string& what) {
  const Place& place = *static_cast<const Place*>(record);
  emulation::fail_thread(what, {place.file, static_cast<int>(place.line)});
}

// Values of up to 64 bits are passed as they are.
std::string number(uintptr_t value) { return std::to_string(static_cast<intptr_t>(value)); }

}  // namespace

extern "C" {

// record: place, type, log2 of the alignment, kind of access.
[[noreturn]] void __ubsan_handle_type_mismatch_v1_abort(const void* record, uintptr_t address) {
  const auto* log_alignment = static_cast<const unsigned char*>(record) + sizeof(Place) + sizeof(void*);
  char text[80];
  snprintf(text, sizeof text, "used address 0x%llx, which does not divide by %d",
           static_cast<unsigned long long>(address), 1 << *log_alignment);
  report(record, text);
}
[[noreturn]] void __ubsan_handle_out_of_bounds_abort(const void* record, uintptr_t index) {
  report(record, "used index " + number(index) + " of an array that does not have it");
}
[[noreturn]] void __ubsan_handle_shift_out_of_bounds_abort(const void* record, uintptr_t, uintptr_t by) {
  report(record, "shifted by " + number(by));
}
[[noreturn]] void __ubsan_handle_add_overflow_abort(const void* record, uintptr_t, uintptr_t) {
  report(record, "overflowed an integer in an addition");
}
[[noreturn]] void __ubsan_handle_sub_overflow_abort(const void* record, uintptr_t, uintptr_t) {
  report(record, "overflowed an integer in a subtraction");
}
[[noreturn]] void __ubsan_handle_mul_overflow_abort(const void* record, uintptr_t, uintptr_t) {
  report(record, "overflowed an integer in a multiplication");
}
[[noreturn]] void __ubsan_handle_negate_overflow_abort(const void* record, uintptr_t) {
  report(record, "overflowed an integer in a negation");
}
[[noreturn]] void __ubsan_handle_divrem_overflow_abort(const void* record, uintptr_t, uintptr_t) {
  report(record, "divided an integer by zero or beyond its range");
}

}  // extern "C"
