// Threads that stay together over a run of steps. Between parallel regions OpenMP's threads soon sleep, and waking them
// takes longer than a small step; if they stayed awake for long, they would keep the very thread from running that they
// wait for where the machine is busy. So a run of steps is one parallel region: its first thread leads, the others wait
// for parts of its work, awake for about as long as waking takes. What nobody has begun when the leader has done its
// own part the leader does itself, so that it waits for none to wake. Where others keep the processors busy it does all
// parts for a while: with two threads as fast as both would be. Who computes a part changes no bit of it.
#pragma once

#include <omp.h>

#include <chrono>
#include <memory>

#include "core/waiting.h"
#include "cpu/run_delay.h"

namespace gradstep::cpu {

class ThreadTeam {
 public:
  explicit ThreadTeam(int threads);

  // Whether a team serves better than OpenMP's regions: where the system tells how long threads wait for a processor,
  // and for so few threads that waking them one by one costs little.
  bool is_useful() const { return useful_; }

  // body() on this thread, as the leader.
  template <typename Body>
  void lead(const Body& body) {
    if (crowded()) {
      begin(1);
      body();
      return end();
    }
#pragma omp parallel num_threads(threads_)
    {
      if (omp_get_thread_num() == 0) {
        begin(omp_get_num_threads());
        body();
        end();
      } else {
        serve(omp_get_thread_num());
      }
    }
  }

  // The team that the calling thread leads; null while parts of its work are under way, and for everybody else.
  static ThreadTeam* led();

  // Threads that came, the leader among them.
  int size() const { return size_; }

  // body(part) for every part, each once.
  template <typename Body>
  void share(int parts, const Body& body) {
    hand_out(
        parts, [](const void* b, int part) { (*static_cast<const Body*>(b))(part); }, &body, false);
  }

  // The same, each on a thread of its own, all at once: they may meet(). At most size() parts.
  template <typename Body>
  void all_at_once(int parts, const Body& body) {
    hand_out(
        parts, [](const void* b, int part) { (*static_cast<const Body*>(b))(part); }, &body, true);
  }

  // Within all_at_once: returns when all its parts are here.
  void meet();

 private:
  using Call = void (*)(const void* body, int part);
  // What a member has to do: nothing, its part of the work, the part is being done, or to leave.
  enum : int32_t { kNothing, kPart, kTaken, kLeave };
  struct alignas(64) Member {
    WaitedWord duty{kNothing};
    RunDelay delay;
  };
  using Clock = std::chrono::steady_clock;

  // Whether others keep the team's processors busy, so that one thread does all; looks from time to time.
  bool crowded();

  void begin(int size);
  void end();
  void serve(int member);
  void hand_out(int parts, Call call, const void* body, bool at_once);

  int threads_, size_ = 1;
  bool useful_;
  bool crowded_ = false;
  Clock::time_point looked_, next_look_;
  int64_t delays_ = 0;
  std::chrono::milliseconds pause_{0};
  std::unique_ptr<Member[]> members_;
  // Of the work under way.
  Call call_ = nullptr;
  const void* body_ = nullptr;
  int32_t parts_ = 0;
  alignas(64) std::atomic<int32_t> here_{0};
  alignas(64) WaitedWord meetings_{0};
};

// How often the calling thread has divided work among threads.
int64_t& times_divided();

}  // namespace gradstep::cpu
