// The thread of a device. Every session on the device, in whichever JavaScript thread it was made, hands its work to
// this one thread, which does it in the order of arrival. Jobs carry their owner, so that one session's jobs can be
// stopped, dropped or waited for. Executors live as long as the process: they are never destroyed, and when the process
// exits their threads end after the step that is under way.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

namespace gradstep {

struct Job {
  const void* owner;
  // Called on the executor's thread; `stop` turns true when the job should end early. Must not throw.
  std::function<void(const std::atomic<bool>& stop)> run;
  // Called instead of `run`, on the thread that calls `drop`; may be empty.
  std::function<void()> dropped;
  // Whether it may be done between the steps of a job of the same owner that came before it.
  bool ahead = false;
};

class Executor {
 public:
  // The executor of a device by name, made when it is first asked for. `alert`: behind a job its thread waits awake for
  // a moment, which wants a processor beside that of whoever has the next one for it.
  static Executor& of(const std::string& device, bool alert);

  void submit(Job job);
  // Ahead of everything that is queued.
  void submit_first(Job job);
  // For a job that is running, in between: does the owner's next job if that may go ahead; whether it did.
  bool run_ahead(const void* owner);
  // For a job that is running: whether any is queued that does not go ahead of it.
  bool awaited(const void* owner);
  // Tells the owner's jobs, running and queued, to end early.
  void stop(const void* owner);
  // Takes the owner's queued jobs out of the queue and calls their `dropped`.
  void drop(const void* owner);
  // Returns when none of the owner's jobs is running. Not for use on the executor's thread.
  void wait(const void* owner);

 private:
  struct Entry {
    Job job;
    std::atomic<bool> stop{false};
  };

  explicit Executor(bool alert) : alert_(alert) {}
  void enqueue(Job job, bool first);
  void loop();
  // Waits awake for a moment, or until there is news; `lock` is given back meanwhile.
  void stay_alert(std::unique_lock<std::mutex>& lock);
  void shut_down();
  static void shut_down_all();

  const bool alert_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::unique_ptr<Entry>> queue_;
  std::unique_ptr<Entry> running_;
  std::thread thread_;
  bool exiting_ = false;
  std::atomic<bool> has_news_{false};  // of the queue or the end, since the thread began to stay alert
};

}  // namespace gradstep
