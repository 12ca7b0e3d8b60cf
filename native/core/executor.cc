#include "core/executor.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <map>
#include <vector>

#include "core/waiting.h"

namespace gradstep {
namespace {

// How long the thread looks for more to do before it sleeps. Whoever awaits the result of a short step asks for the
// next one sooner than that, and to wake a thread takes longer than such a step: in a virtual machine tens of
// microseconds.
constexpr std::chrono::microseconds kAlert{50};

struct Registry {
  std::mutex mutex;
  std::map<std::string, Executor*> executors;
};

// Leaked: executor threads may outlast static destructors.
Registry& registry() {
  static Registry* const instance = new Registry;
  return *instance;
}

}  // namespace

Executor& Executor::of(const std::string& device, bool alert) {
  Registry& all = registry();
  const std::lock_guard<std::mutex> lock(all.mutex);
  // Registered after the libraries' own exit handlers, hence run before them.
  if (all.executors.empty()) std::atexit(shut_down_all);
  Executor*& executor = all.executors[device];
  if (!executor) executor = new Executor(alert);
  return *executor;
}

void Executor::submit(Job job) { enqueue(std::move(job), false); }

void Executor::submit_first(Job job) { enqueue(std::move(job), true); }

void Executor::enqueue(Job job, bool first) {
  auto entry = std::make_unique<Entry>();
  entry->job = std::move(job);
  const std::lock_guard<std::mutex> lock(mutex_);
  if (!thread_.joinable() && !exiting_) thread_ = std::thread(&Executor::loop, this);
  if (first) {
    queue_.push_front(std::move(entry));
  } else {
    queue_.push_back(std::move(entry));
  }
  has_news_.store(true, std::memory_order_relaxed);
  changed_.notify_all();
}

bool Executor::run_ahead(const void* owner) {
  std::unique_ptr<Entry> entry;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto next = std::find_if(queue_.begin(), queue_.end(), [&](const auto& e) { return e->job.owner == owner; });
    if (exiting_ || next == queue_.end() || !(*next)->job.ahead) return false;
    entry = std::move(*next);
    queue_.erase(next);
  }
  entry->job.run(entry->stop);
  return true;
}

bool Executor::awaited(const void* owner) {
  const std::lock_guard<std::mutex> lock(mutex_);
  return std::any_of(queue_.begin(), queue_.end(),
                     [&](const auto& e) { return e->job.owner != owner || !e->job.ahead; });
}

void Executor::stop(const void* owner) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (running_ && running_->job.owner == owner) running_->stop = true;
  for (const auto& entry : queue_) {
    if (entry->job.owner == owner) entry->stop = true;
  }
}

void Executor::drop(const void* owner) {
  std::vector<std::unique_ptr<Entry>> taken;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    for (auto at = queue_.begin(); at != queue_.end();) {
      if ((*at)->job.owner == owner) {
        taken.push_back(std::move(*at));
        at = queue_.erase(at);
      } else {
        ++at;
      }
    }
  }
  for (const auto& entry : taken) {
    if (entry->job.dropped) entry->job.dropped();
  }
}

void Executor::wait(const void* owner) {
  std::unique_lock<std::mutex> lock(mutex_);
  changed_.wait(lock, [&] { return !running_ || running_->job.owner != owner; });
}

void Executor::stay_alert(std::unique_lock<std::mutex>& lock) {
  has_news_.store(false, std::memory_order_relaxed);
  lock.unlock();
  const auto end = std::chrono::steady_clock::now() + kAlert;
  while (!has_news_.load(std::memory_order_relaxed) && std::chrono::steady_clock::now() < end) relax();
  lock.lock();
}

void Executor::loop() {
  std::unique_lock<std::mutex> lock(mutex_);
  while (true) {
    changed_.wait(lock, [&] { return exiting_ || !queue_.empty(); });
    if (exiting_) return;  // what is queued stays there: whoever waited for it is gone
    running_ = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    running_->job.run(running_->stop);
    running_->job.run = nullptr;  // what it holds goes before anyone hears that it ended
    running_->job.dropped = nullptr;
    lock.lock();
    running_.reset();
    changed_.notify_all();
    if (alert_ && queue_.empty() && !exiting_) stay_alert(lock);
  }
}

void Executor::shut_down() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    exiting_ = true;
    has_news_.store(true, std::memory_order_relaxed);
    if (running_) running_->stop = true;
    changed_.notify_all();
  }
  if (!thread_.joinable()) return;
  if (thread_.get_id() == std::this_thread::get_id()) {
    thread_.detach();  // exit() was called from within a job
  } else {
    thread_.join();
  }
}

void Executor::shut_down_all() {
  Registry& all = registry();
  const std::lock_guard<std::mutex> lock(all.mutex);
  for (const auto& [name, executor] : all.executors) executor->shut_down();
}

}  // namespace gradstep
