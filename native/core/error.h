// The one exception of the native side: a stable code (the same as in lib/errors.ts) and a message. It is thrown while
// preparing and transferring, never inside a step, and never leaves the binding except as a rejected promise.
#pragma once

#include <stdexcept>
#include <string>

namespace gradstep {

class Error : public std::runtime_error {
 public:
  Error(const char* code, const std::string& message) : std::runtime_error(message), code_(code) {}
  const char* code() const { return code_; }

 private:
  const char* code_;  // a string literal
};

}  // namespace gradstep
