// How many threads this process may run at once; usable_threads() of core/cpu_device.h is made of it.
#pragma once

#include <string>

namespace gradstep::cpu {

// CPUs' worth of time that control groups give the process, the tightest of its own group's quota and of those above
// it: versions 1 and 2, mounted where systemd and container runtimes do; infinity where there is no quota.
// `root` stands before /proc and /sys (tests bring files of their own).
double quota_cpus(const std::string& root);

}  // namespace gradstep::cpu
