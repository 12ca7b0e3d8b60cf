// Teams of threads: every part of the work is done once, whoever does it, awake or asleep; meetings; crowded machines;
// which steps of a program a team does.
#include "cpu/thread_team.h"

#include <sched.h>

#include <random>
#include <thread>
#include <vector>

#include "cpu/parallel.h"
#include "cpu/step_list.h"
#include "harness.h"

using namespace gradstep::cpu;
using Clock = std::chrono::steady_clock;

namespace {

void spin(int microseconds) {
  const auto end = Clock::now() + std::chrono::microseconds(microseconds);
  while (Clock::now() < end) continue;
}

// Runs `body` on a thread that has one processor, with all threads that it makes.
template <typename Body>
void on_one_processor(const Body& body) {
  std::thread([&] {
    cpu_set_t all, one;
    sched_getaffinity(0, sizeof all, &all);
    CPU_ZERO(&one);
    for (int cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&one) == 0; cpu++) {
      if (CPU_ISSET(cpu, &all)) CPU_SET(cpu, &one);
    }
    sched_setaffinity(0, sizeof one, &one);
    body();
  }).join();
}

}  // namespace

TEST(a_team_does_every_part_once) {
  std::mt19937 random(1);
  ThreadTeam team(4);
  int wrong = 0;
  for (int run = 0; run < 60; run++) {
    team.lead([&] {
      for (int work = 0; work < 20; work++) {
        const int parts = 1 + static_cast<int>(random() % 9);
        std::vector<std::atomic<int>> times(parts);
        const int mine = random() % 3 == 0 ? 30 : 0, others = random() % 3 == 0 ? 60 : 0;
        team.share(parts, [&](int part) {
          spin(part == 0 ? mine : others);
          times[part]++;
        });
        for (const auto& t : times) wrong += t != 1;
        if (random() % 40 == 0) spin(400);  // the others fall asleep
      }
    });
  }
  EXPECT_EQUAL(wrong, 0);
}

TEST(parts_of_a_team_meet) {
  for (const int pause : {0, 300}) {
    ThreadTeam team(3);
    int wrong = 0, size = 0;
    std::vector<std::atomic<int>> done(3), seen(3);
    team.lead([&] {
      size = team.size();
      for (int run = 0; run < 5; run++) {
        team.all_at_once(size, [&](int part) {
          for (int round = 0; round < 30; round++) {
            if (part == round % 3) spin(pause);
            done[part]++;
            team.meet();
            for (int other = 0; other < size; other++) seen[part] += done[other] != run * 30 + round + 1;
            team.meet();
          }
        });
        spin(pause);
      }
    });
    for (const auto& s : seen) wrong += s;
    EXPECT_EQUAL(size, 3);
    EXPECT_EQUAL(wrong, 0);
  }
}

TEST(work_within_a_part_is_done_where_it_is) {
  ThreadTeam team(2);
  std::atomic<int> sum{0};
  bool led_within = false;
  team.lead([&] {
    team.share(2, [&](int) {
      if (ThreadTeam::led()) led_within = true;
      parallel_ranges(100, 2, 1, [&](int, int64_t begin, int64_t end) { sum += static_cast<int>(end - begin); });
    });
  });
  EXPECT(!led_within);
  EXPECT_EQUAL(sum.load(), 200);
  EXPECT(ThreadTeam::led() == nullptr);
}

TEST(one_of_a_team_does_all_where_the_machine_is_crowded) {
  if (!RunDelay::is_known()) return;
  bool together = false, alone = false;
  int wrong = 0;
  on_one_processor([&] {
    ThreadTeam team(2);
    const auto end = Clock::now() + std::chrono::seconds(5);
    while (!alone && Clock::now() < end) {
      team.lead([&] {
        (team.size() == 1 ? alone : together) = true;
        std::vector<std::atomic<int>> times(2);
        team.share(2, [&](int part) {
          spin(200);
          times[part]++;
        });
        for (const auto& t : times) wrong += t != 1;
      });
    }
  });
  EXPECT(together);
  EXPECT(alone);
  EXPECT_EQUAL(wrong, 0);
}

TEST(delays_are_of_threads_that_could_have_run) {
  if (!RunDelay::is_known()) return;
  int64_t waited = 0, slept = 0;
  on_one_processor([&] {
    RunDelay delay;
    delay.watch_this_thread();
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
    slept = delay.nanoseconds();
    std::thread other([] { spin(60000); });
    spin(60000);
    waited = delay.nanoseconds() - slept;
    other.join();
  });
  EXPECT(waited > 10'000'000);
  EXPECT(slept < waited);
}

TEST(a_team_does_the_steps_from_one_that_divides_to_another_but_for_onednns) {
  // What steps do: compute by themselves, divide their work, or call oneDNN (and divide what is around it).
  const std::string kinds = "sddsdsnddnsnd";
  ThreadTeam team(2);
  StepList steps;
  std::string order, led;
  int told = 0;
  for (const char kind : kinds) {
    steps.add(
        [&, kind] {
          order += kind;
          led += ThreadTeam::led() ? 't' : '-';
          if (kind != 's') parallel_ranges(2, 2, 1, [](int, int64_t, int64_t) {});
        },
        kind == 'n');
  }
  steps.run(team, [&] { told++; });
  EXPECT_EQUAL(order, kinds);
  EXPECT_EQUAL(led, std::string(kinds.size(), '-'));
  order.clear();
  led.clear();
  steps.run(team, [&] { told++; });
  EXPECT_EQUAL(order, kinds);
  if (team.is_useful()) EXPECT_EQUAL(led, "-tttt--tt---t");
  EXPECT_EQUAL(told, static_cast<int>(2 * kinds.size()));
}
