#include "environment.h"

#include "core/error.h"

namespace gradstep::binding {

napi_value make_error(napi_env env, const std::string& code, const std::string& message) {
  napi_value code_value = nullptr, text = nullptr, error = nullptr;
  if (napi_create_string_utf8(env, code.data(), code.size(), &code_value) != napi_ok ||
      napi_create_string_utf8(env, message.data(), message.size(), &text) != napi_ok ||
      napi_create_error(env, code_value, text, &error) != napi_ok) {
    return nullptr;
  }
  return error;
}

namespace {

// Once the process's exit handlers run, libraries are letting go of what a step may still be using (oneDNN's kernels,
// for one, which it makes when they are first called); cleanup hooks come only where an environment ends alone. The
// event comes before either.
void on_exit(Napi::Env env, const std::function<void()>& end) {
  const Napi::Object process = env.Global().Get("process").As<Napi::Object>();
  const auto listener = Napi::Function::New(env, [end](const Napi::CallbackInfo&) { end(); });
  process.Get("on").As<Napi::Function>().Call(process, {Napi::String::New(env, "exit"), listener});
}

}  // namespace

void SessionHandle::abandon() const {
  executor->stop(session.get());
  executor->drop(session.get());
  try {
    executor->submit_first({session.get(), [held = session](const std::atomic<bool>&) { held->close(); }, nullptr});
  } catch (const std::exception&) {  // the system has never given a thread: nobody else is at it
    session->close();
  }
}

std::shared_ptr<Environment> Environment::create(napi_env env) {
  const std::shared_ptr<Environment> environment(new Environment);
  napi_value name;
  auto* const held = new std::shared_ptr<Environment>(environment);
  const auto release = [](napi_env, void*, void* context) {
    delete static_cast<std::shared_ptr<Environment>*>(context);
  };
  if (napi_create_string_utf8(env, "gradstep", NAPI_AUTO_LENGTH, &name) != napi_ok ||
      napi_create_threadsafe_function(env, nullptr, nullptr, name, 0, 1, nullptr, release, held, wake,
                                      &environment->waker_) != napi_ok) {
    delete held;
    throw Error("ERR_LOAD", "Node.js refused a thread-safe function");
  }
  napi_unref_threadsafe_function(env, environment->waker_);
  // Registered after the waker, hence called before the waker's own end.
  napi_add_env_cleanup_hook(env, close, environment.get());
  on_exit(env, [environment] { close(environment.get()); });
  return environment;
}

napi_deferred Environment::begin(napi_env env, napi_value* promise) {
  napi_deferred deferred;
  if (napi_create_promise(env, &deferred, promise) != napi_ok) throw Error("ERR_INTERNAL", "Node.js refused a promise");
  if (pending_++ == 0) napi_ref_threadsafe_function(env, waker_);
  return deferred;
}

void Environment::deliver(Outcome outcome) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (closed_) return;
  outcomes_.push_back(std::move(outcome));
  if (outcomes_.size() == 1) napi_call_threadsafe_function(waker_, nullptr, napi_tsfn_nonblocking);
}

void Environment::wake(napi_env env, napi_value, void* context, void*) {
  if (!env) return;  // the environment is going
  Environment& self = **static_cast<std::shared_ptr<Environment>*>(context);
  std::vector<Outcome> outcomes;
  {
    const std::lock_guard<std::mutex> lock(self.mutex_);
    outcomes.swap(self.outcomes_);
  }
  for (const Outcome& outcome : outcomes) self.settle(env, outcome);
}

// Plain C calls whose failures are let go: they fail only when the environment is being terminated.
void Environment::settle(napi_env env, const Outcome& outcome) {
  napi_handle_scope scope;
  if (napi_open_handle_scope(env, &scope) != napi_ok) return;
  napi_value value = nullptr;
  bool ok = static_cast<bool>(outcome.reply);
  if (ok && outcome.reply(env, &value) != napi_ok) {
    ok = false;
    napi_value ignored;
    napi_get_and_clear_last_exception(env, &ignored);
    value = make_error(env, "ERR_OOM", "Out of memory: JavaScript has no room for the result");
  } else if (!ok) {
    value = make_error(env, outcome.code, outcome.message);
  }
  if (value) {
    if (ok) {
      napi_resolve_deferred(env, outcome.deferred, value);
    } else {
      napi_reject_deferred(env, outcome.deferred, value);
    }
  }
  try {
    if (outcome.settled) outcome.settled();
  } catch (const Napi::Error&) {
    // As above: the environment is going.
  }
  if (--pending_ == 0) napi_unref_threadsafe_function(env, waker_);
  napi_close_handle_scope(env, scope);
}

void Environment::close(void* context) {
  Environment& self = *static_cast<Environment*>(context);
  {
    const std::lock_guard<std::mutex> lock(self.mutex_);
    self.closed_ = true;
    self.outcomes_.clear();
  }
  for (const auto& handle : self.sessions_) handle->abandon();
  for (const auto& handle : self.sessions_) handle->executor->wait(handle->session.get());
  self.sessions_.clear();
}

}  // namespace gradstep::binding
