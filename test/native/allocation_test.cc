// malloc and operator new are interposed in the test executable, and each call is counted for the module it came from,
// by return address. gradstep's code is linked into the executable, so its calls are the executable's own.
#include "allocation_test.h"

#include <link.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iostream>
#include <iterator>
#include <new>
#include <vector>

#include "core/cpu_device.h"
#include "core/error.h"
#include "core/verify.h"
#include "program_builder.h"

namespace {

enum Module { kGradstep, kOneDnn, kOpenMp, kStandardLibrary, kOther, kModules };
const char* const kModuleNames[kModules] = {"gradstep", "onednn", "openmp", "libstdcxx", "other"};

struct Range {
  uintptr_t begin, end;
  Module module;
};

constexpr int kMaxRanges = 256;
Range ranges[kMaxRanges];
int range_count = 0;
std::atomic<bool> counting{false};
std::atomic<int64_t> counts[kModules];

Module module_of(const char* name) {
  if (name[0] == '\0') return kGradstep;  // the executable
  if (std::strstr(name, "libdnnl")) return kOneDnn;
  if (std::strstr(name, "libgomp")) return kOpenMp;
  if (std::strstr(name, "libstdc++")) return kStandardLibrary;
  return kOther;
}

int add_ranges(dl_phdr_info* info, size_t, void*) {
  // The vDSO has no name either; only the first entry is the executable.
  const Module module = range_count > 0 && info->dlpi_name[0] == '\0' ? kOther : module_of(info->dlpi_name);
  for (int i = 0; i < info->dlpi_phnum && range_count < kMaxRanges; i++) {
    const auto& segment = info->dlpi_phdr[i];
    if (segment.p_type != PT_LOAD || (segment.p_flags & PF_X) == 0) continue;
    const uintptr_t begin = info->dlpi_addr + segment.p_vaddr;
    ranges[range_count++] = {begin, begin + segment.p_memsz, module};
  }
  return 0;
}

void count(const void* caller) {
  if (!counting.load(std::memory_order_relaxed)) return;
  const auto address = reinterpret_cast<uintptr_t>(caller);
  Module module = kOther;
  for (int i = 0; i < range_count; i++) {
    if (address >= ranges[i].begin && address < ranges[i].end) module = ranges[i].module;
  }
  counts[module].fetch_add(1, std::memory_order_relaxed);
}

}  // namespace

#define GRADSTEP_INTERPOSED extern "C" __attribute__((visibility("default"), noinline))

extern "C" {
void* __libc_malloc(size_t);
void* __libc_calloc(size_t, size_t);
void* __libc_realloc(void*, size_t);
void* __libc_memalign(size_t, size_t);
}

GRADSTEP_INTERPOSED void* malloc(size_t bytes) {
  count(__builtin_return_address(0));
  return __libc_malloc(bytes);
}

GRADSTEP_INTERPOSED void* calloc(size_t n, size_t bytes) {
  count(__builtin_return_address(0));
  return __libc_calloc(n, bytes);
}

GRADSTEP_INTERPOSED void* realloc(void* old, size_t bytes) {
  count(__builtin_return_address(0));
  return __libc_realloc(old, bytes);
}

GRADSTEP_INTERPOSED void* aligned_alloc(size_t alignment, size_t bytes) {
  count(__builtin_return_address(0));
  return __libc_memalign(alignment, bytes);
}

GRADSTEP_INTERPOSED int posix_memalign(void** result, size_t alignment, size_t bytes) {
  count(__builtin_return_address(0));
  *result = __libc_memalign(alignment, bytes);
  return *result ? 0 : ENOMEM;
}

// The executable's operator new serves every library, so that a call is its caller's and not libstdc++'s.
__attribute__((visibility("default"), noinline)) void* operator new(size_t bytes) {
  count(__builtin_return_address(0));
  void* result = __libc_malloc(bytes > 0 ? bytes : 1);
  if (!result) throw std::bad_alloc();
  return result;
}

__attribute__((visibility("default"), noinline)) void* operator new[](size_t bytes) {
  count(__builtin_return_address(0));
  void* result = __libc_malloc(bytes > 0 ? bytes : 1);
  if (!result) throw std::bad_alloc();
  return result;
}

__attribute__((visibility("default"))) void operator delete(void* p) noexcept { free(p); }
__attribute__((visibility("default"))) void operator delete[](void* p) noexcept { free(p); }
__attribute__((visibility("default"))) void operator delete(void* p, size_t) noexcept { free(p); }
__attribute__((visibility("default"))) void operator delete[](void* p, size_t) noexcept { free(p); }

namespace gradstep::test {
namespace {

// A data set for every slot that the program gathers from: zeros, with rows enough for all steps.
void allocate_slots(Backend& backend, const Program& program, int64_t steps) {
  constexpr DType kSources[] = {DType::kFloat32, DType::kInt32, DType::kUint8};
  for (const ProgramStep& step : program.steps) {
    if (step.op != CodeOf<GatherArgs>::value) continue;
    const auto& args = *static_cast<const GatherArgs*>(step.args);
    const int64_t rows = args.shape.d[0] * (2 * steps + 64);
    int64_t width = 1;
    for (int i = 1; i < args.shape.rank; i++) width *= args.shape.d[i];
    backend.allocate_slot(args.slot, kSources[args.source], args.index_slot < 0 ? rows : 1, width);
    if (args.index_slot >= 0) backend.allocate_slot(args.index_slot, DType::kInt32, rows, 1);
  }
}

std::vector<int64_t> run_counted(Backend& backend, int entry, int64_t steps) {
  const std::atomic<bool> stop{false};
  for (auto& n : counts) n = 0;
  counting = true;
  const int64_t done = backend.run(entry, steps, {&stop, 0});
  counting = false;
  if (done != steps) throw Error("ERR_INTERNAL", "only " + std::to_string(done) + " steps ran");
  return {counts, counts + kModules};
}

void print(const char* name, const std::vector<int64_t>& run) {
  std::cout << "\"" << name << "\": {";
  for (int m = 0; m < kModules; m++) std::cout << (m ? ", " : "") << "\"" << kModuleNames[m] << "\": " << run[m];
  std::cout << "}";
}

}  // namespace

int count_allocations(const std::string& program_file, int64_t steps) {
  std::ifstream file(program_file, std::ios::binary);
  const std::vector<char> bytes{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  Program program = parse_program(bytes.data(), bytes.size());
  verify(program);
  const auto backend = cpu::create_backend(0);
  allocate_slots(*backend, program, steps);
  const int entry = backend->load(std::move(program));
  dl_iterate_phdr(add_ranges, nullptr);

  // The counter itself is proved first: calls from here are gradstep's. Through pointers, or the compiler removes them.
  void* (*volatile allocate)(size_t) = malloc;
  void* (*volatile make)(size_t) = operator new;
  counting = true;
  free(allocate(64));
  operator delete(make(64));
  counting = false;
  const int64_t proof = counts[kGradstep];

  run_counted(*backend, entry, 8);  // threads and caches come to be
  const std::vector<int64_t> first = run_counted(*backend, entry, steps);
  const std::vector<int64_t> second = run_counted(*backend, entry, steps);
  bool ok = proof == 2 && first[kGradstep] == 0 && second[kGradstep] == 0;
  for (int m = 0; m < kModules; m++) ok = ok && second[m] <= first[m];
  std::cout << "{\"steps\": " << steps << ", \"proof\": " << proof << ", ";
  print("first", first);
  std::cout << ", ";
  print("second", second);
  std::cout << ", \"ok\": " << (ok ? "true" : "false") << "}" << std::endl;
  return ok ? 0 : 1;
}

}  // namespace gradstep::test
