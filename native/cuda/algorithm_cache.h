// Which algorithms were measured to be the fastest, kept in a file so that the next process measures nothing:
// cuda_algorithms.txt in $GRADSTEP_CACHE, else in gradstep/ of $XDG_CACHE_HOME or of ~/.cache. A line each: what it is
// for, a tab, the algorithm in hexadecimal digits. A file that cannot be read counts as empty, one that cannot be
// written is not written: then choices last as long as the process.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace gradstep::cuda {

class AlgorithmCache {
 public:
  using Bytes = std::vector<uint8_t>;

  // The one of this process for the folder that the environment names now.
  static AlgorithmCache& get();

  // What was kept for a key.
  std::optional<Bytes> find(const std::string& key);
  // `key`: without line breaks and tabs.
  void keep(const std::string& key, const Bytes& algorithm);

 private:
  explicit AlgorithmCache(std::string folder) : folder_(std::move(folder)) {}
  std::string path() const { return folder_ + "/cuda_algorithms.txt"; }
  void read();
  void write() const;

  const std::string folder_;  // empty: there is none
  std::mutex mutex_;
  bool read_ = false;
  std::map<std::string, Bytes> known_;
};

// In hexadecimal digits, and back. Empty: that is no such text.
std::string to_text(const AlgorithmCache::Bytes& bytes);
AlgorithmCache::Bytes from_text(const std::string& text);

}  // namespace gradstep::cuda
