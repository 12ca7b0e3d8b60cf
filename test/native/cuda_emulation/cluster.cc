#include "cluster.h"

#include <algorithm>

namespace emulation {

Cluster::Cluster(size_t blocks, size_t block_threads)
    : block_threads_(block_threads), present_(blocks * block_threads), members_(present_), blocks_(blocks) {
  for (Block& block : blocks_) block.threads = block_threads;
}

std::string Cluster::arrive(size_t thread) {
  Member& self = members_[thread];
  if (self.arrived != self.waited) return "arrived at its cluster's barrier again before it had waited";
  self.arrived++;
  arrived_++;
  pass_if_all_arrived();
  return "";
}

std::string Cluster::wait(size_t thread) {
  const Member& self = members_[thread];
  return self.arrived == self.waited ? "waited at its cluster's barrier before it had arrived" : "";
}

std::string Cluster::store(size_t thread, size_t block) {
  const size_t own = thread / block_threads_;
  if (block == own) return "";
  const std::string start = "stored in the shared memory of block " + std::to_string(block) + " of its cluster";
  const Member& self = members_[thread];
  if (self.waited == 0) return start + " before it had waited for that block to begin";
  if (blocks_[block].threads == 0) return start + ", which has returned";
  blocks_[block].expected = std::max(blocks_[block].expected, self.arrived + 1);
  return "";
}

std::string Cluster::leave(size_t thread) {
  Member& self = members_[thread];
  if (self.arrived != self.waited) return "returned between arriving at its cluster's barrier and waiting";
  self.left = true;
  present_--;
  pass_if_all_arrived();
  Block& block = blocks_[thread / block_threads_];
  block.waited = std::max(block.waited, self.waited);
  block.threads--;
  if (block.threads > 0 || block.waited >= block.expected) return "";
  return "returned before it had waited for what others of its cluster stored in its block's shared memory";
}

size_t Cluster::missing() const {
  const auto found = std::find_if(members_.begin(), members_.end(),
                                  [&](const Member& member) { return !member.left && member.arrived <= passed_; });
  return static_cast<size_t>(found - members_.begin());
}

void Cluster::pass_if_all_arrived() {
  if (present_ == 0 || arrived_ < present_) return;
  passed_++;
  arrived_ = 0;
}

}  // namespace emulation
