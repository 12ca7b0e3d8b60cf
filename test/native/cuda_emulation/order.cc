#include "order.h"

#include <sys/mman.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <set>

#include "device_memory.h"

namespace emulation {
namespace {

// Of one allocation: each agent's last piece of work that read it, and that wrote it.
struct Uses {
  std::map<int, uint64_t> reads, writes;
};

struct Watched {
  Range pages;
  size_t bytes;  // of the allocation
  Uses* uses;
  bool may_read, may_write, read, written;
};

// Never destroyed, as a device's thread may outlive main.
std::mutex mutex;
auto& host = *new Clock(1);
auto& agents = *new std::set<Agent*>;
auto& free_numbers = *new std::vector<int>;
auto& uses_of = *new std::map<const char*, Uses>;
// One grid runs at a time.
auto& watched = *new std::vector<Watched>;
const Watched* out_of_reach = nullptr;

void join(Clock& clock, const Clock& other) {
  if (clock.size() < other.size()) clock.resize(other.size());
  for (size_t i = 0; i < other.size(); i++) clock[i] = std::max(clock[i], other[i]);
}

bool are_before(const std::map<int, uint64_t>& work, const Clock& clock) {
  return std::all_of(work.begin(), work.end(), [&](const auto& w) {
    const auto agent = static_cast<size_t>(w.first);
    return agent < clock.size() && w.second <= clock[agent];
  });
}

bool is_used_by_others(const Uses& uses, int agent) {
  const auto other = [&](const auto& w) { return w.first != agent; };
  return std::any_of(uses.reads.begin(), uses.reads.end(), other) ||
         std::any_of(uses.writes.begin(), uses.writes.end(), other);
}

// `ordered_with_writes`: what it is not ordered with are reads, so it writes itself.
std::string unordered(size_t bytes, bool ordered_with_writes) {
  return std::string(ordered_with_writes ? "wrote" : "used") + " a device allocation of " + std::to_string(bytes) +
         " bytes that another stream " + (ordered_with_writes ? "read" : "wrote") +
         ", and nothing says which comes first";
}

void protect(const Range& pages, int how) { mprotect(pages.begin, pages.bytes(), how); }

}  // namespace

Agent::Agent() {
  const std::lock_guard<std::mutex> lock(mutex);
  if (free_numbers.empty()) {
    number_ = static_cast<int>(host.size());
    host.push_back(0);
  } else {
    number_ = free_numbers.back();
    free_numbers.pop_back();
  }
  clock_ = host;
  agents.insert(this);
}

// Whoever has the number next goes on counting where this one stopped.
Agent::~Agent() {
  const std::lock_guard<std::mutex> lock(mutex);
  join(host, clock_);
  agents.erase(this);
  free_numbers.push_back(number_);
}

void Agent::begin() {
  const std::lock_guard<std::mutex> lock(mutex);
  join(clock_, host);
  clock_[static_cast<size_t>(number_)]++;
}

void Agent::wait_for(const Clock& moment) {
  const std::lock_guard<std::mutex> lock(mutex);
  join(clock_, moment);
}

void Agent::copies_to_device(const void* from, size_t bytes) {
  const std::lock_guard<std::mutex> lock(mutex);
  under_way.to_device(clock_[static_cast<size_t>(number_)], from, bytes);
}

std::string Agent::copies_to_host(void* to, const void* from, size_t bytes) {
  const std::lock_guard<std::mutex> lock(mutex);
  return under_way.to_host(clock_[static_cast<size_t>(number_)], to, from, bytes);
}

std::string host_waits_for(const Clock& moment) {
  const std::lock_guard<std::mutex> lock(mutex);
  join(host, moment);
  std::string wrong;
  for (Agent* agent : agents) {
    const auto number = static_cast<size_t>(agent->number());
    const std::string one = number < moment.size() ? agent->under_way.arrive(moment[number]) : "";
    if (wrong.empty()) wrong = one;
  }
  return wrong;
}

bool has_host_waited_for(const Clock& moment) {
  const std::lock_guard<std::mutex> lock(mutex);
  for (size_t i = 0; i < moment.size(); i++) {
    if (moment[i] > (i < host.size() ? host[i] : 0)) return false;
  }
  return true;
}

void forget_copies(const void* pinned, size_t bytes) {
  const std::lock_guard<std::mutex> lock(mutex);
  for (Agent* agent : agents) agent->under_way.forget(pinned, bytes);
}

std::string use(const Agent* agent, const void* address, bool writes) {
  const Range memory = allocation_at(address);
  if (memory.begin == nullptr) return "";  // the host's
  const std::lock_guard<std::mutex> lock(mutex);
  if (agent == nullptr) host[0]++;
  const Clock& now = agent == nullptr ? host : agent->clock();
  const int number = agent == nullptr ? 0 : agent->number();
  Uses& uses = uses_of[memory.begin];
  if (!are_before(uses.writes, now)) return unordered(memory.bytes(), false);
  if (writes && !are_before(uses.reads, now)) return unordered(memory.bytes(), true);
  (writes ? uses.writes : uses.reads)[number] = now[static_cast<size_t>(number)];
  return "";
}

void forget_uses(const void* allocation) {
  const std::lock_guard<std::mutex> lock(mutex);
  for (const Agent* agent : agents) join(host, agent->clock());
  uses_of.erase(static_cast<const char*>(allocation));
}

Watch::Watch(const Agent& agent) : agent_(agent) {
  const std::lock_guard<std::mutex> lock(mutex);
  out_of_reach = nullptr;
  for (auto& [address, uses] : uses_of) {
    if (!is_used_by_others(uses, agent.number())) continue;
    const Range pages = pages_of(address);
    if (pages.begin == nullptr) continue;
    const bool may_read = are_before(uses.writes, agent.clock());
    const bool may_write = may_read && are_before(uses.reads, agent.clock());
    watched.push_back({pages, allocation_at(address).bytes(), &uses, may_read, may_write, false, false});
    protect(pages, PROT_NONE);
  }
}

Watch::~Watch() {
  const std::lock_guard<std::mutex> lock(mutex);
  const uint64_t now = agent_.clock()[static_cast<size_t>(agent_.number())];
  for (const Watched& w : watched) {
    protect(w.pages, PROT_READ | PROT_WRITE);
    if (w.read) w.uses->reads[agent_.number()] = now;
    if (w.written) w.uses->writes[agent_.number()] = now;
  }
  watched.clear();
}

bool reach(const void* address) {
  for (Watched& w : watched) {
    if (address < w.pages.begin || address >= w.pages.end || w.written) continue;
    const bool writes = w.read;
    if (writes ? !w.may_write : !w.may_read) {
      out_of_reach = &w;
      return false;
    }
    (writes ? w.written : w.read) = true;
    protect(w.pages, writes ? PROT_READ | PROT_WRITE : PROT_READ);
    return true;
  }
  return false;
}

std::string why_out_of_reach() {
  return out_of_reach == nullptr ? "" : unordered(out_of_reach->bytes, out_of_reach->may_read);
}

}  // namespace emulation
