#include "calls.h"

#include <pthread.h>

#include <mutex>
#include <set>

#include "device_memory.h"
#include "faults.h"

namespace emulation {
namespace {

// Never destroyed, as a device's thread may outlive main.
std::mutex mutex;
auto& objects = *new std::set<std::pair<Kind, const void*>>;
auto& failed = *new std::string;
uint64_t calls_left = 0;  // until the one that fails, counting it; 0: none will
bool fails_from_then_on = false;
cudaError_t planned_error = cudaSuccess;

pthread_key_t make_key() {
  pthread_key_t key;
  pthread_key_create(&key, [](void* state) { delete static_cast<ThreadState*>(state); });
  return key;
}

}  // namespace

ThreadState& this_thread() {
  static const pthread_key_t key = make_key();
  auto* state = static_cast<ThreadState*>(pthread_getspecific(key));
  if (state == nullptr) {
    state = new ThreadState;
    pthread_setspecific(key, state);
  }
  return *state;
}

cudaError_t explain(cudaError_t error, const std::string& text) {
  ThreadState& thread = this_thread();
  thread.explained = error;
  thread.explanation = text;
  return error;
}

cudaError_t planned_failure(const char* name) {
  this_thread().explained = cudaSuccess;
  std::lock_guard<std::mutex> lock(mutex);
  if (calls_left == 0 || --calls_left > 0) return cudaSuccess;
  if (failed.empty()) failed = name;
  if (fails_from_then_on) calls_left = 1;
  return planned_error;
}

cudaError_t told(cudaError_t error) {
  if (error != cudaSuccess && error != cudaErrorNotReady) this_thread().last_error = error;
  return error;
}

void fail_call(uint64_t n, cudaError_t error, Fault fault) {
  std::lock_guard<std::mutex> lock(mutex);
  calls_left = n;
  planned_error = error;
  fails_from_then_on = fault == Fault::kFromThenOn;
  failed.clear();
}

void fail_no_call() {
  std::lock_guard<std::mutex> lock(mutex);
  calls_left = 0;
}

std::string failed_call() {
  std::lock_guard<std::mutex> lock(mutex);
  return failed;
}

void add_object(Kind kind, const void* object) {
  std::lock_guard<std::mutex> lock(mutex);
  objects.emplace(kind, object);
}

bool remove_object(Kind kind, const void* object) {
  std::lock_guard<std::mutex> lock(mutex);
  return objects.erase({kind, object}) == 1;
}

bool is_object(Kind kind, const void* object) {
  std::lock_guard<std::mutex> lock(mutex);
  return objects.count({kind, object}) == 1;
}

std::string alive() {
  static constexpr const char* kNames[] = {"pinned allocation",   "stream",       "event",       "graph",
                                           "instance of a graph", "open capture", "GEMM handle", "cuDNN object"};
  std::string text;
  const auto tell = [&](size_t n, const std::string& name) {
    if (n > 0) text += (text.empty() ? "" : ", ") + std::to_string(n) + " " + name + (n > 1 ? "s" : "");
  };
  tell(device_allocations(), "device allocation");
  std::lock_guard<std::mutex> lock(mutex);
  for (size_t kind = 0; kind < std::size(kNames); kind++) {
    size_t n = 0;
    for (const auto& object : objects) n += object.first == static_cast<Kind>(kind);
    tell(n, kNames[kind]);
  }
  return text;
}

}  // namespace emulation
