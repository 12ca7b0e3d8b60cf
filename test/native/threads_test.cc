// Quotas of control groups, read from made-up /proc and /sys.
#include "cpu/threads.h"

#include <sched.h>
#include <stdlib.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <thread>

#include "core/cpu_device.h"
#include "harness.h"

using gradstep::cpu::quota_cpus;
namespace fs = std::filesystem;

namespace {

// A folder of its own, with files by path; it goes with the object.
class Root {
 public:
  explicit Root(const std::vector<std::pair<std::string, std::string>>& files) {
    std::string name = (fs::temp_directory_path() / "gradstep-XXXXXX").string();
    path_ = mkdtemp(name.data());
    for (const auto& [file, text] : files) {
      const fs::path place = path_ / file;
      fs::create_directories(place.parent_path());
      std::ofstream(place) << text;
    }
  }
  ~Root() { fs::remove_all(path_); }
  double cpus() const { return quota_cpus(path_.string()); }

 private:
  fs::path path_;
};

const std::string kGroups = "proc/self/cgroup";
const std::string kMounts = "sys/fs/cgroup";

}  // namespace

TEST(threads_have_no_quota_where_nothing_says_so) {
  EXPECT(std::isinf(Root({}).cpus()));
  EXPECT(std::isinf(Root({{kGroups, "0::/\n"}, {kMounts + "/cpu.max", "max 100000\n"}}).cpus()));
  EXPECT(std::isinf(Root({{kGroups, "strange\n0:x\n"}, {kMounts + "/cpu.max", "100000 100000\n"}}).cpus()));
  EXPECT(std::isinf(Root({{kGroups, "0::/\n"}, {kMounts + "/cpu.max", "0 100000\n"}}).cpus()));
  EXPECT(std::isinf(Root({{kGroups, "0::/\n"}, {kMounts + "/cpu.max", "words\n"}}).cpus()));
}

TEST(threads_have_the_quota_of_version_2) {
  EXPECT_EQUAL(Root({{kGroups, "0::/\n"}, {kMounts + "/cpu.max", "150000 100000\n"}}).cpus(), 1.5);
}

TEST(threads_have_the_tightest_quota_of_the_groups_they_are_nested_in) {
  const std::string group = kMounts + "/user.slice/job-1.scope";
  Root root({{kGroups, "0::/user.slice/job-1.scope\n"},
             {group + "/cpu.max", "400000 100000\n"},
             {kMounts + "/user.slice/cpu.max", "300000 100000\n"},
             {kMounts + "/other.slice/cpu.max", "100000 100000\n"}});
  EXPECT_EQUAL(root.cpus(), 3.0);
}

TEST(threads_have_the_quota_of_the_mount_where_the_path_is_the_hosts) {
  EXPECT_EQUAL(Root({{kGroups, "0::/host/only\n"}, {kMounts + "/cpu.max", "50000 100000\n"}}).cpus(), 0.5);
}

TEST(threads_have_the_quota_of_version_1) {
  const std::string cpu = kMounts + "/cpu,cpuacct";
  Root root({{kGroups, "9:memory:/a\n4:cpu,cpuacct:/docker/x\n3:cpuset:/b\n"},
             {cpu + "/docker/x/cpu.cfs_quota_us", "250000\n"},
             {cpu + "/docker/x/cpu.cfs_period_us", "100000\n"},
             {cpu + "/docker/cpu.cfs_quota_us", "-1\n"},
             {cpu + "/docker/cpu.cfs_period_us", "100000\n"},
             {kMounts + "/cpuset/b/cpu.cfs_quota_us", "1000\n"},
             {kMounts + "/cpuset/b/cpu.cfs_period_us", "100000\n"}});
  EXPECT_EQUAL(root.cpus(), 2.5);
}

TEST(threads_have_the_tighter_quota_where_both_versions_are_mounted) {
  const std::string files = kMounts + "/cpu/cpu.cfs_";
  Root root({{kGroups, "1:cpu:/\n0::/\n"},
             {files + "quota_us", "300000\n"},
             {files + "period_us", "100000\n"},
             {kMounts + "/unified/cpu.max", "200000 100000\n"}});
  EXPECT_EQUAL(root.cpus(), 2.0);
}

TEST(threads_are_as_many_as_affinity_allows) {
  const int before = gradstep::cpu::usable_threads();
  EXPECT(before >= 1);
  int alone = 0;
  // Affinity is a thread's own.
  std::thread([&] {
    cpu_set_t all, one;
    sched_getaffinity(0, sizeof all, &all);
    CPU_ZERO(&one);
    for (int i = 0; i < CPU_SETSIZE && CPU_COUNT(&one) == 0; i++) {
      if (CPU_ISSET(i, &all)) CPU_SET(i, &one);
    }
    sched_setaffinity(0, sizeof one, &one);
    alone = gradstep::cpu::usable_threads();
  }).join();
  EXPECT_EQUAL(alone, 1);
  EXPECT_EQUAL(gradstep::cpu::usable_threads(), before);
}
