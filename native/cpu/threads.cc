#include "cpu/threads.h"

#include <sched.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <sstream>
#include <thread>

#include "core/cpu_device.h"

namespace gradstep::cpu {
namespace {

constexpr double kNone = std::numeric_limits<double>::infinity();

// Version 2: `cpu.max` holds `QUOTA PERIOD` in microseconds, or `max PERIOD`.
double quota_of_v2(const std::string& folder) {
  std::ifstream file(folder + "/cpu.max");
  std::string quota;
  double period = 0;
  if (!(file >> quota >> period) || quota == "max" || period <= 0) return kNone;
  const double cpus = std::strtod(quota.c_str(), nullptr) / period;
  return cpus > 0 ? cpus : kNone;
}

// Version 1: a file each; −1 is no quota.
double quota_of_v1(const std::string& folder) {
  std::ifstream quota_file(folder + "/cpu.cfs_quota_us"), period_file(folder + "/cpu.cfs_period_us");
  double quota = 0, period = 0;
  if (!(quota_file >> quota) || !(period_file >> period) || quota <= 0 || period <= 0) return kNone;
  return quota / period;
}

// The tightest quota from mount + path up to the mount. In a container the path may be the host's, of which only the
// mount itself is there: folders that are missing have no quota.
double tightest(const std::string& mount, std::string path, double (*quota_of)(const std::string&)) {
  double cpus = quota_of(mount);
  while (path.size() > 1) {
    cpus = std::min(cpus, quota_of(mount + path));
    path.resize(path.rfind('/') == std::string::npos ? 0 : path.rfind('/'));
  }
  return cpus;
}

// Whether `cpu` is in a list such as `cpu,cpuacct`.
bool names_cpu(const std::string& controllers) {
  std::istringstream list(controllers);
  for (std::string name; std::getline(list, name, ',');) {
    if (name == "cpu") return true;
  }
  return false;
}

}  // namespace

double quota_cpus(const std::string& root) {
  const std::string mounts = root + "/sys/fs/cgroup";
  double cpus = kNone;
  // Lines `ID:CONTROLLERS:PATH`; version 2 has the one with no controllers.
  std::ifstream groups(root + "/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    const size_t first = line.find(':');
    const size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1), path = line.substr(second + 1);
    if (controllers.empty()) {
      cpus = std::min({cpus, tightest(mounts, path, quota_of_v2), tightest(mounts + "/unified", path, quota_of_v2)});
    } else if (names_cpu(controllers)) {
      cpus = std::min({cpus, tightest(mounts + "/cpu", path, quota_of_v1),
                       tightest(mounts + "/" + controllers, path, quota_of_v1)});
    }
  }
  return cpus;
}

int usable_threads() {
  cpu_set_t set;
  CPU_ZERO(&set);
  // The call fails where there are more CPUs than the set has places for.
  const bool known = sched_getaffinity(0, sizeof set, &set) == 0;
  const int allowed = known ? CPU_COUNT(&set) : static_cast<int>(std::thread::hardware_concurrency());
  const double cpus = std::min(std::ceil(quota_cpus("")), static_cast<double>(allowed));
  return std::max(1, static_cast<int>(cpus));
}

}  // namespace gradstep::cpu
