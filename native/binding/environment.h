// One JavaScript environment (the main thread or a worker): how results come back to it, and which sessions go with it.
// A single thread-safe function per environment wakes it; it keeps Node alive only while a promise is pending. When the
// environment ends, its work stops, nothing is delivered any more and its sessions are released, without waiting for
// anybody else's work.
#pragma once

#include <napi.h>

#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "core/executor.h"
#include "core/session.h"

namespace gradstep::binding {

// Makes the value a promise resolves to, on the JavaScript thread; null where there is none (a failure: status).
using Reply = std::function<napi_status(napi_env, napi_value*)>;

// How a call ended.
struct Outcome {
  napi_deferred deferred;
  Reply reply;                    // when it went well
  std::string code, message;      // when it did not
  std::function<void()> settled;  // on the JavaScript thread, after the promise
};

// A session and the executor that works for it.
struct SessionHandle {
  std::shared_ptr<Session> session;
  Executor* executor;

  // Ends and drops its work and has its memory released, ahead of what others have queued.
  void abandon() const;
};

class Environment {
 public:
  static std::shared_ptr<Environment> create(napi_env env);

  // A promise that `deliver` will settle.
  napi_deferred begin(napi_env env, napi_value* promise);
  // From any thread.
  void deliver(Outcome outcome);

  void add(const std::shared_ptr<SessionHandle>& handle) { sessions_.insert(handle); }
  void remove(const std::shared_ptr<SessionHandle>& handle) { sessions_.erase(handle); }

 private:
  Environment() = default;
  static void wake(napi_env env, napi_value callback, void* context, void* data);
  static void close(void* context);
  void settle(napi_env env, const Outcome& outcome);

  napi_threadsafe_function waker_ = nullptr;
  size_t pending_ = 0;  // JavaScript thread
  std::set<std::shared_ptr<SessionHandle>> sessions_;

  std::mutex mutex_;
  bool closed_ = false;
  std::vector<Outcome> outcomes_;
};

// An Error object with a code.
napi_value make_error(napi_env env, const std::string& code, const std::string& message);

}  // namespace gradstep::binding
