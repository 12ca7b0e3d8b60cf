// The class Session of binding.d.ts: checks arguments on the JavaScript thread, hands the work to the device's
// executor, returns a promise. While a promise is pending the object is kept from the garbage collector; when it is
// collected, its session is released as `dispose` does.
#pragma once

#include <napi.h>

#include <functional>
#include <memory>

#include "environment.h"

namespace gradstep::binding {

class SessionObject : public Napi::ObjectWrap<SessionObject> {
 public:
  static Napi::Function define(Napi::Env env);

  explicit SessionObject(const Napi::CallbackInfo& info);
  ~SessionObject() override;

 private:
  // What a call does on the executor's thread.
  struct Work {
    template <typename Run>
    Work(Run does, bool goes_ahead = false, bool takes_memory = false)
        : run(std::move(does)), ahead(goes_ahead), sizes(takes_memory) {}
    std::function<Reply(Session&, const std::atomic<bool>& stop)> run;
    bool ahead;  // it concerns a spare slot: it may be done between the steps of a run
    bool sizes;  // the session holds more or less memory afterwards
  };

  Napi::Value reserve(const Napi::CallbackInfo& info);
  Napi::Value load(const Napi::CallbackInfo& info);
  Napi::Value unload(const Napi::CallbackInfo& info);
  Napi::Value run(const Napi::CallbackInfo& info);
  Napi::Value run_series(const Napi::CallbackInfo& info);
  Napi::Value profile(const Napi::CallbackInfo& info);
  Napi::Value write(const Napi::CallbackInfo& info);
  Napi::Value read(const Napi::CallbackInfo& info);
  Napi::Value read_into(const Napi::CallbackInfo& info);
  Napi::Value allocate_slot(const Napi::CallbackInfo& info);
  Napi::Value release_slot(const Napi::CallbackInfo& info);
  Napi::Value turn_slot(const Napi::CallbackInfo& info);
  Napi::Value stop(const Napi::CallbackInfo& info);
  Napi::Value memory(const Napi::CallbackInfo& info);
  Napi::Value choices(const Napi::CallbackInfo& info);
  Napi::Value recall_choices(const Napi::CallbackInfo& info);
  Napi::Value dispose(const Napi::CallbackInfo& info);

  // A promise for the work that `prepare` makes from the arguments; what either throws rejects it.
  Napi::Value call(const Napi::CallbackInfo& info, const std::function<Work()>& prepare);
  Napi::Value submit(Napi::Env env, Work work);
  // Tells the garbage collector what goes when this object is collected.
  void account(int64_t bytes);

  std::shared_ptr<Environment> environment_;
  std::shared_ptr<SessionHandle> handle_;
  bool disposed_ = false;
  int64_t accounted_ = 0;
};

}  // namespace gradstep::binding
