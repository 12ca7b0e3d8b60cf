// Counts who allocates while a training program runs.
#pragma once

#include <cstdint>
#include <string>

namespace gradstep::test {

// Loads the program in the file, gives it the data slots it asks for, runs it twice `steps` times on the CPU and prints
// how many allocations each module made per run, as JSON. Returns 0 when gradstep made none and nobody's count grew.
int count_allocations(const std::string& program_file, int64_t steps);

}  // namespace gradstep::test
