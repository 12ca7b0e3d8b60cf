#include "core/session.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

#include "core/verify.h"

namespace gradstep {

Session::Session(std::function<std::unique_ptr<Backend>()> create, uint64_t memory_limit)
    : create_(std::move(create)), memory_limit_(memory_limit) {}

Backend& Session::backend() {
  if (closed_) throw Error("ERR_DISPOSED", "The session was disposed");
  if (!failure_.empty()) {
    throw Error("ERR_DEVICE_FAILED", "The session's device failed earlier (" + failure_ + "): make a new session");
  }
  if (!backend_) backend_ = create_();
  return *backend_;
}

template <typename Work>
auto Session::guarded(bool running, Work work) -> decltype(work()) {
  try {
    return work();
  } catch (const Error& error) {
    if (std::strcmp(error.code(), "ERR_DEVICE_FAILED") == 0) failure_ = error.what();
    throw;
  } catch (const std::bad_alloc&) {
    // Between steps nothing was lost; within one, nobody knows what the memory holds.
    if (running) failure_ = "out of memory within a step";
    throw Error("ERR_OOM", "Out of memory");
  } catch (const std::exception& error) {
    if (!running) throw Error("ERR_INTERNAL", error.what());
    failure_ = error.what();
    throw Error("ERR_DEVICE_FAILED", "The device failed within a step: " + failure_);
  } catch (...) {
    if (!running) throw Error("ERR_INTERNAL", "The device threw something that is not an exception");
    failure_ = "unknown failure";
    throw Error("ERR_DEVICE_FAILED", "The device failed within a step");
  }
}

void Session::make_room(uint64_t bytes) {
  if (memory_limit_ == 0) return;
  const MemoryUse use = backend().memory();
  const uint64_t used = use.persistent + use.scratch + use.workspace + use.slots;
  if (bytes <= memory_limit_ && used <= memory_limit_ - bytes) return;
  throw Error("ERR_OOM", "Out of memory: " + std::to_string(bytes) + " bytes were requested, " + std::to_string(used) +
                             " of the device's " + std::to_string(memory_limit_) + " are in use");
}

void Session::reserve(uint64_t bytes) {
  guarded(false, [&] {
    const uint64_t held = backend().memory().persistent;
    if (bytes > held) make_room(bytes);  // both blocks exist while the contents are moved
    backend().reserve(bytes);
  });
}

int Session::load(const void* program_bytes, size_t bytes) {
  return guarded(false, [&] {
    backend();
    Program program = parse_program(program_bytes, bytes);
    verify(program);
    const MemoryUse use = backend().memory();
    if (program.persistent_bytes > use.persistent) make_room(program.persistent_bytes);
    if (program.scratch_bytes > use.scratch) make_room(program.scratch_bytes - use.scratch);
    const int entry = backend().load(std::move(program));
    entries_.insert(entry);
    return entry;
  });
}

Backend& Session::backend_with(int entry) {
  Backend& device = backend();
  if (entries_.count(entry) == 0) throw Error("ERR_OPTION", "No program is loaded as entry " + std::to_string(entry));
  return device;
}

void Session::unload(int entry) {
  guarded(false, [&] {
    Backend& device = backend_with(entry);
    entries_.erase(entry);
    device.unload(entry);
  });
}

RunResult Session::run(int entry, int64_t steps, const RunControl& control) {
  return run_series({{entry, steps}}, control);
}

RunResult Session::run_series(const std::vector<Stretch>& stretches, const RunControl& control) {
  RunResult all{0, 0};
  for (const Stretch& stretch : stretches) {
    if (control.stopped() || (all.steps > 0 && control.spent())) break;
    const int64_t done =
        guarded(true, [&] { return backend_with(stretch.entry).run(stretch.entry, stretch.steps, control); });
    all.steps += done;
    if (done < stretch.steps) break;
  }
  all.seconds = control.seconds();
  return all;
}

std::vector<double> Session::profile(int entry, int64_t steps, const RunControl& control) {
  return guarded(true, [&] {
    Backend& device = backend_with(entry);
    return control.stopped() ? std::vector<double>() : device.profile(entry, steps, control);
  });
}

void Session::check(const Span& span) {
  Backend& device = backend();
  uint64_t limit = 0;
  std::string where;
  if (span.slot >= 0) {
    where = "slot " + std::to_string(span.slot);
    if (span.slot >= kAllSlots || !slot_used_[span.slot]) throw Error("ERR_OPTION", "There is no " + where);
    limit = slot_bytes_[span.slot];
  } else {
    const MemoryUse use = device.memory();
    where = span.region == Region::kPersistent ? "the persistent region" : "the scratch region";
    limit = span.region == Region::kPersistent ? use.persistent : use.scratch;
  }
  if (span.offset > limit || span.bytes > limit - span.offset) {
    throw Error("ERR_OPTION", std::to_string(span.bytes) + " bytes at " + std::to_string(span.offset) + " leave " +
                                  where + " of " + std::to_string(limit) + " bytes");
  }
}

void Session::write(const Span& to, const void* data) {
  guarded(false, [&] {
    check(to);
    backend().write(to, data);
  });
}

void Session::read(const Span& from, void* data) {
  guarded(false, [&] {
    check(from);
    backend().read(from, data);
  });
}

void Session::allocate_slot(int slot, DType dtype, int64_t rows, int64_t row_elements) {
  guarded(false, [&] {
    const auto width = static_cast<int64_t>(dtype_bytes(dtype));
    if (rows > INT64_MAX / width / std::max<int64_t>(row_elements, 1)) {
      throw Error("ERR_OOM", "Out of memory: a data set of " + std::to_string(rows) + " rows of " +
                                 std::to_string(row_elements) + " elements was requested");
    }
    const auto bytes = static_cast<uint64_t>(rows * row_elements * width);
    make_room(bytes);
    slot_used_[slot] = false;
    backend().allocate_slot(slot, dtype, rows, row_elements);
    slot_bytes_[slot] = bytes;
    slot_used_[slot] = true;
  });
}

void Session::release_slot(int slot) {
  guarded(false, [&] {
    backend().release_slot(slot);
    slot_used_[slot] = false;
  });
}

void Session::turn_slot(int slot) {
  guarded(false, [&] {
    const int spare = spare_of(slot);
    if (!slot_used_[spare]) throw Error("ERR_OPTION", "There is no spare of slot " + std::to_string(slot));
    backend().turn_slot(slot);
    std::swap(slot_bytes_[slot], slot_bytes_[spare]);
    std::swap(slot_used_[slot], slot_used_[spare]);
  });
}

MemoryUse Session::memory() {
  return guarded(false, [&] { return backend().memory(); });
}

MeasuredChoices Session::choices() {
  return guarded(false, [&] { return backend().choices(); });
}

void Session::recall(const MeasuredChoices& earlier) {
  guarded(false, [&] { backend().recall(earlier); });
}

void Session::close() {
  closed_ = true;
  entries_.clear();
  try {
    backend_.reset();
  } catch (...) {
    // A device that fails while it is let go has nobody left to tell.
  }
}

}  // namespace gradstep
