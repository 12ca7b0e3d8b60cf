// Executors: the order of jobs, stopping, dropping and waiting by owner.
#include "core/executor.h"

#include <future>

#include "harness.h"

using namespace gradstep;
using namespace gradstep::test;

namespace {

const std::chrono::seconds kLong(10);

// A job that waits until it is let go, so that others queue up behind it.
struct Gate {
  std::promise<void> entered, opened;

  Job job(const void* owner) {
    return {owner,
            [this](const std::atomic<bool>&) {
              entered.set_value();
              opened.get_future().wait();
            },
            nullptr};
  }
};

void finish(Executor& executor) {
  std::promise<void> done;
  executor.submit({&done, [&](const std::atomic<bool>&) { done.set_value(); }, nullptr});
  done.get_future().wait();
}

}  // namespace

TEST(executor_does_jobs_in_order) {
  Executor& executor = Executor::of("test:order", false);
  std::string order;
  const int owners[2] = {};
  for (int i = 0; i < 26; i++) {
    executor.submit(
        {&owners[i % 2], [&order, i](const std::atomic<bool>&) { order += static_cast<char>('a' + i); }, nullptr});
  }
  finish(executor);
  EXPECT_EQUAL(order, "abcdefghijklmnopqrstuvwxyz");
}

TEST(executor_puts_a_first_job_ahead_of_the_queue) {
  Executor& executor = Executor::of("test:first", true);
  Gate gate;
  std::string order;
  executor.submit(gate.job(nullptr));
  gate.entered.get_future().wait();
  executor.submit({nullptr, [&](const std::atomic<bool>&) { order += "b"; }, nullptr});
  executor.submit_first({nullptr, [&](const std::atomic<bool>&) { order += "a"; }, nullptr});
  gate.opened.set_value();
  finish(executor);
  EXPECT_EQUAL(order, "ab");
}

TEST(executor_lets_jobs_go_ahead_within_a_running_one_of_their_owner) {
  Executor& executor = Executor::of("test:ahead", true);
  Gate gate;
  std::string order;
  const int mine = 0, other = 0;
  const auto note = [&](const int* owner, char what, bool ahead) {
    Job job{owner, [&order, what](const std::atomic<bool>&) { order += what; }, nullptr};
    job.ahead = ahead;
    executor.submit(std::move(job));
  };
  executor.submit(gate.job(nullptr));
  gate.entered.get_future().wait();
  executor.submit({&mine,
                   [&](const std::atomic<bool>&) {
                     order += '<';
                     while (executor.run_ahead(&mine)) continue;
                     order += '>';
                   },
                   nullptr});
  note(&other, 'o', true);  // another owner's: neither goes ahead nor is in the way
  note(&mine, 'a', true);
  note(&mine, 'b', true);
  note(&mine, 'c', false);
  note(&mine, 'd', true);  // comes after one that may not
  gate.opened.set_value();
  finish(executor);
  EXPECT_EQUAL(order, "<ab>ocd");
  EXPECT(!executor.run_ahead(&mine));
}

TEST(executor_tells_a_running_job_who_waits_for_it) {
  Executor& executor = Executor::of("test:awaited", true);
  const int mine = 0, other = 0;
  const auto awaited_beside = [&](const int* owner, bool ahead) {
    Gate gate;
    std::promise<bool> awaited;
    executor.submit(gate.job(nullptr));
    gate.entered.get_future().wait();
    executor.submit({&mine, [&](const std::atomic<bool>&) { awaited.set_value(executor.awaited(&mine)); }, nullptr});
    if (owner) executor.submit({owner, [](const std::atomic<bool>&) {}, nullptr, ahead});
    gate.opened.set_value();
    const bool answer = awaited.get_future().get();
    finish(executor);
    return answer;
  };
  EXPECT(!awaited_beside(nullptr, false));
  EXPECT(awaited_beside(&mine, false));
  EXPECT(!awaited_beside(&mine, true));
  EXPECT(awaited_beside(&other, false));
  EXPECT(awaited_beside(&other, true));
}

TEST(executor_is_one_thread_a_device) {
  EXPECT_EQUAL(&Executor::of("test:a", true), &Executor::of("test:a", true));
  std::thread::id a1, a2, b;
  Executor::of("test:a", true)
      .submit({nullptr, [&](const std::atomic<bool>&) { a1 = std::this_thread::get_id(); }, nullptr});
  Executor::of("test:a", true)
      .submit({nullptr, [&](const std::atomic<bool>&) { a2 = std::this_thread::get_id(); }, nullptr});
  Executor::of("test:b", true)
      .submit({nullptr, [&](const std::atomic<bool>&) { b = std::this_thread::get_id(); }, nullptr});
  finish(Executor::of("test:a", true));
  finish(Executor::of("test:b", true));
  EXPECT(a1 == a2);
  EXPECT(a1 != b);
  EXPECT(a1 != std::this_thread::get_id());
}

TEST(executor_stops_the_jobs_of_one_owner) {
  Executor& executor = Executor::of("test:stop", true);
  const int mine = 0, other = 0;
  std::promise<void> entered;
  std::vector<bool> stopped;
  executor.submit({&mine,
                   [&](const std::atomic<bool>& stop) {
                     entered.set_value();
                     const auto until = std::chrono::steady_clock::now() + kLong;
                     while (!stop && std::chrono::steady_clock::now() < until) std::this_thread::yield();
                     stopped.push_back(stop);
                   },
                   nullptr});
  executor.submit({&mine, [&](const std::atomic<bool>& stop) { stopped.push_back(stop); }, nullptr});
  executor.submit({&other, [&](const std::atomic<bool>& stop) { stopped.push_back(stop); }, nullptr});
  entered.get_future().wait();
  executor.stop(&mine);
  executor.submit({&mine, [&](const std::atomic<bool>& stop) { stopped.push_back(stop); }, nullptr});
  finish(executor);
  EXPECT(stopped == std::vector<bool>({true, true, false, false}));
}

TEST(executor_drops_the_queued_jobs_of_one_owner) {
  Executor& executor = Executor::of("test:drop", true);
  const int mine = 0, other = 0;
  Gate gate;
  std::string events;
  executor.submit(gate.job(&mine));
  gate.entered.get_future().wait();
  executor.submit({&mine, [&](const std::atomic<bool>&) { events += "ran "; }, [&] { events += "dropped1 "; }});
  executor.submit({&other, [&](const std::atomic<bool>&) { events += "other "; }, [&] { events += "wrong "; }});
  executor.submit({&mine, [&](const std::atomic<bool>&) { events += "ran "; }, [&] { events += "dropped2 "; }});
  executor.submit({&mine, [&](const std::atomic<bool>&) { events += "ran "; }, nullptr});
  executor.drop(&mine);
  EXPECT_EQUAL(events, "dropped1 dropped2 ");
  gate.opened.set_value();
  finish(executor);
  EXPECT_EQUAL(events, "dropped1 dropped2 other ");
}

TEST(executor_waits_for_the_running_job_of_one_owner) {
  Executor& executor = Executor::of("test:wait", false);
  const int mine = 0, other = 0;
  Gate gate;
  std::atomic<bool> done{false};
  executor.wait(&mine);  // nothing runs
  executor.submit(gate.job(&mine));
  executor.submit({&other, [&](const std::atomic<bool>&) { done = true; }, nullptr});
  gate.entered.get_future().wait();
  executor.wait(&other);  // it is queued, not running
  EXPECT(!done);
  auto waited = std::async(std::launch::async, [&] { executor.wait(&mine); });
  EXPECT(waited.wait_for(std::chrono::milliseconds(20)) == std::future_status::timeout);
  gate.opened.set_value();
  EXPECT(waited.wait_for(kLong) == std::future_status::ready);
  finish(executor);
}

TEST(executor_lets_go_of_what_a_job_holds) {
  Executor& executor = Executor::of("test:hold", true);
  auto held = std::make_shared<int>(1);
  executor.submit({nullptr, [held](const std::atomic<bool>&) {}, nullptr});
  finish(executor);
  EXPECT_EQUAL(held.use_count(), 1);
}
