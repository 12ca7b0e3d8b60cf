// The barrier of a cluster of blocks, and who stores in whose shared memory (cuda/ptx.cuh). A thread arrives and waits
// in turns; the barrier is passed when all threads that have not returned have arrived. What breaks the rules is told
// under any order of threads: a store in another block before the storing thread has passed a barrier, since that block
// may not have begun; one that no barrier orders before the end of the block it goes to, since that block's shared
// memory may be somebody else's by then.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace emulation {

class Cluster {
 public:
  Cluster() = default;
  Cluster(size_t blocks, size_t block_threads);

  // By a thread, as they are numbered in the cluster. Each returns what is wrong; empty: nothing.
  std::string arrive(size_t thread);
  std::string wait(size_t thread);
  std::string store(size_t thread, size_t block);
  std::string leave(size_t thread);

  // Whether a thread that waits may go on; then it does.
  bool passes(size_t thread) const { return passed_ >= members_[thread].arrived; }
  void go_on(size_t thread) { members_[thread].waited = members_[thread].arrived; }
  // A thread that the others wait for.
  size_t missing() const;

  uint32_t arrived(size_t thread) const { return members_[thread].arrived; }
  uint32_t waited(size_t thread) const { return members_[thread].waited; }

 private:
  struct Member {
    uint32_t arrived = 0, waited = 0;
    bool left = false;
  };
  struct Block {
    size_t threads = 0;     // that have not returned
    uint32_t waited = 0;    // the most that one of those that have had
    uint32_t expected = 0;  // barriers that must be passed before the last of them returns
  };
  void pass_if_all_arrived();

  size_t block_threads_ = 1, present_ = 0, arrived_ = 0;
  uint32_t passed_ = 0;
  std::vector<Member> members_;
  std::vector<Block> blocks_;
};

}  // namespace emulation
