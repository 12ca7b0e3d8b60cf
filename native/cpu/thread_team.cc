#include "cpu/thread_team.h"

#include <algorithm>

namespace gradstep::cpu {
namespace {

constexpr int kMostThreads = 8;  // measured with two; the leader wakes each by itself

// The machine is crowded where the threads waited for processors, between two looks, for so much of the time.
constexpr double kCrowdedShare = 0.45;
// How long they work together until the next look, and how long one works alone until they try again: the longer the
// more often that was in vain.
constexpr std::chrono::milliseconds kTogether{40}, kFirstPause{100}, kLongestPause{1600};

thread_local ThreadTeam* led_here = nullptr;

}  // namespace

ThreadTeam::ThreadTeam(int threads)
    : threads_(threads),
      useful_(threads > 1 && threads <= kMostThreads && RunDelay::is_known()),
      members_(std::make_unique<Member[]>(threads)) {}

ThreadTeam* ThreadTeam::led() { return led_here; }

int64_t& times_divided() {
  static thread_local int64_t times = 0;
  return times;
}

bool ThreadTeam::crowded() {
  const Clock::time_point now = Clock::now();
  if (now < next_look_) return crowded_;
  int64_t delays = 0;
  for (int m = 0; m < threads_; m++) delays += members_[m].delay.nanoseconds();
  const std::chrono::duration<double, std::nano> passed = now - looked_;
  if (crowded_) {
    crowded_ = false;
  } else if (delays - delays_ > kCrowdedShare * passed.count()) {
    crowded_ = true;
    pause_ = std::clamp(2 * pause_, kFirstPause, kLongestPause);
  } else {
    pause_ = std::chrono::milliseconds(0);
  }
  looked_ = now;
  delays_ = delays;
  next_look_ = now + (crowded_ ? pause_ : kTogether);
  return crowded_;
}

void ThreadTeam::begin(int size) {
  members_[0].delay.watch_this_thread();
  size_ = size;
  led_here = this;
}

void ThreadTeam::end() {
  led_here = nullptr;
  for (int m = 1; m < size_; m++) members_[m].duty.store(kLeave);
}

void ThreadTeam::serve(int member) {
  WaitedWord& duty = members_[member].duty;
  members_[member].delay.watch_this_thread();
  while (true) {
    duty.wait_while(kNothing);
    if (duty.compare_exchange(kPart, kTaken)) {
      call_(body_, member);
      duty.store(kNothing);
    } else if (duty.compare_exchange(kLeave, kNothing)) {
      return;
    } else {
      duty.wait_while(kTaken);  // by the leader
    }
  }
}

void ThreadTeam::hand_out(int parts, Call call, const void* body, bool at_once) {
  led_here = nullptr;
  call_ = call;
  body_ = body;
  parts_ = parts;
  const int members = std::min(parts, size_);
  for (int m = 1; m < members; m++) members_[m].duty.store(kPart);
  call(body, 0);
  for (int part = members; part < parts; part++) call(body, part);
  for (int m = 1; m < members; m++) {
    WaitedWord& duty = members_[m].duty;
    if (at_once) {
      duty.wait_while(kPart);
    } else if (duty.compare_exchange(kPart, kTaken)) {
      call(body, m);
      duty.store(kNothing);
    }
  }
  for (int m = 1; m < members; m++) members_[m].duty.wait_while(kTaken);
  led_here = this;
}

void ThreadTeam::meet() {
  const int32_t meeting = meetings_.load();
  if (here_.fetch_add(1) + 1 == parts_) {
    here_.store(0);
    meetings_.store(meeting + 1);
  } else {
    meetings_.wait_while(meeting);
  }
}

}  // namespace gradstep::cpu
