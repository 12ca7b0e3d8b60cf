#include "cuda/algorithm_cache.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <utility>

namespace gradstep::cuda {
namespace {

constexpr const char* kHeader = "gradstep CUDA algorithms, format 1";
constexpr size_t kMostLines = 20000;  // that are read

std::string variable(const char* name) {
  const char* const value = getenv(name);
  return value != nullptr ? value : "";
}

std::string cache_folder() {
  if (const std::string given = variable("GRADSTEP_CACHE"); !given.empty()) return given;
  if (const std::string given = variable("XDG_CACHE_HOME"); !given.empty()) return given + "/gradstep";
  const std::string home = variable("HOME");
  return home.empty() ? "" : home + "/.cache/gradstep";
}

// With its parents. Whether it is there then, opening a file in it tells.
void make_folder(const std::string& path) {
  for (size_t end = path.find('/', 1); end != std::string::npos; end = path.find('/', end + 1)) {
    mkdir(path.substr(0, end).c_str(), 0777);
  }
  mkdir(path.c_str(), 0777);
}

}  // namespace

std::string to_text(const AlgorithmCache::Bytes& bytes) {
  constexpr const char* kDigits = "0123456789abcdef";
  std::string text;
  for (const uint8_t byte : bytes) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

AlgorithmCache::Bytes from_text(const std::string& text) {
  if (text.size() % 2 != 0 || text.find_first_not_of("0123456789abcdef") != std::string::npos) return {};
  AlgorithmCache::Bytes bytes;
  for (size_t i = 0; i < text.size(); i += 2) {
    bytes.push_back(static_cast<uint8_t>(std::stoi(text.substr(i, 2), nullptr, 16)));
  }
  return bytes;
}

AlgorithmCache& AlgorithmCache::get() {
  // Never destroyed: a device's thread may outlive main.
  static auto* const mutex = new std::mutex;
  static auto* const caches = new std::map<std::string, std::unique_ptr<AlgorithmCache>>;
  const std::string folder = cache_folder();
  const std::lock_guard<std::mutex> lock(*mutex);
  std::unique_ptr<AlgorithmCache>& cache = (*caches)[folder];
  if (!cache) cache.reset(new AlgorithmCache(folder));
  return *cache;
}

std::optional<AlgorithmCache::Bytes> AlgorithmCache::find(const std::string& key) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (!std::exchange(read_, true)) read();
  const auto found = known_.find(key);
  if (found == known_.end()) return std::nullopt;
  return found->second;
}

void AlgorithmCache::keep(const std::string& key, const Bytes& algorithm) {
  const std::lock_guard<std::mutex> lock(mutex_);
  read();  // what other processes have added
  known_[key] = algorithm;
  write();
}

// Adds the file's lines to what is known; a broken one, such as a last one that was cut off, is left out.
void AlgorithmCache::read() {
  if (folder_.empty()) return;
  std::ifstream file(path());
  std::string line;
  if (!std::getline(file, line) || line != kHeader) return;
  for (size_t lines = 0; lines < kMostLines && std::getline(file, line); lines++) {
    const size_t tab = line.find('\t');
    if (tab == std::string::npos) continue;
    Bytes bytes = from_text(line.substr(tab + 1));
    if (!bytes.empty()) known_.emplace(line.substr(0, tab), std::move(bytes));
  }
}

// To a file of another name, which then takes the place of the old one: whoever reads finds one or the other, whole.
void AlgorithmCache::write() const {
  if (folder_.empty()) return;
  make_folder(folder_);
  const std::string unfinished = path() + "." + std::to_string(getpid());
  std::ofstream file(unfinished, std::ios::trunc);
  file << kHeader << '\n';
  for (const auto& [key, algorithm] : known_) file << key << '\t' << to_text(algorithm) << '\n';
  file.close();
  if (file.fail() || std::rename(unfinished.c_str(), path().c_str()) != 0) std::remove(unfinished.c_str());
}

}  // namespace gradstep::cuda
