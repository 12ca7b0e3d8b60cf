#include "session_object.h"

#include <cstring>

#include "addon.h"
#include "arguments.h"
#include "core/cpu_device.h"
#include "device.h"

namespace gradstep::binding {
namespace {

constexpr int64_t kMaxDimension = INT32_MAX;

// That the session holds; none where it cannot be asked any more.
int64_t bytes_of(Session& session) {
  try {
    const MemoryUse use = session.memory();
    return static_cast<int64_t>(use.persistent + use.scratch + use.workspace + use.slots);
  } catch (const std::exception&) {
    return 0;
  }
}

napi_status undefined(napi_env env, napi_value* result) { return napi_get_undefined(env, result); }

// By JavaScript's own constructor, which throws where there is no room: napi_create_arraybuffer ends the process.
napi_status array_buffer(napi_env env, const void* data, size_t bytes, napi_value* result) {
  napi_value global, constructor, length;
  napi_status status = napi_get_global(env, &global);
  if (status == napi_ok) status = napi_get_named_property(env, global, "ArrayBuffer", &constructor);
  if (status == napi_ok) status = napi_create_double(env, static_cast<double>(bytes), &length);
  if (status == napi_ok) status = napi_new_instance(env, constructor, 1, &length, result);
  void* to = nullptr;
  if (status == napi_ok) status = napi_get_arraybuffer_info(env, *result, &to, nullptr);
  if (status == napi_ok && bytes > 0) std::memcpy(to, data, bytes);
  return status;
}

napi_status set_number(napi_env env, napi_value object, const char* name, double value) {
  napi_value number;
  const napi_status status = napi_create_double(env, value, &number);
  return status == napi_ok ? napi_set_named_property(env, object, name, number) : status;
}

Reply reply_number(double value) {
  return [value](napi_env env, napi_value* result) { return napi_create_double(env, value, result); };
}

std::shared_ptr<char[]> read_span(Session& session, const Span& from) {
  session.check(from);
  std::shared_ptr<char[]> data(new char[from.bytes]);
  if (from.bytes > 0) session.read(from, data.get());
  return data;
}

Reply reply_run(const RunResult& result, const std::shared_ptr<char[]>& report, size_t bytes) {
  return [=](napi_env env, napi_value* value) {
    napi_value buffer;
    napi_status status = napi_create_object(env, value);
    if (status == napi_ok) status = set_number(env, *value, "steps", static_cast<double>(result.steps));
    if (status == napi_ok) status = set_number(env, *value, "seconds", result.seconds);
    if (status == napi_ok) status = array_buffer(env, report.get(), bytes, &buffer);
    if (status == napi_ok) status = napi_set_named_property(env, *value, "report", buffer);
    return status;
  };
}

Reply reply_memory(const MemoryUse& use) {
  return [use](napi_env env, napi_value* value) {
    napi_status status = napi_create_object(env, value);
    const std::pair<const char*, uint64_t> fields[] = {
        {"persistent", use.persistent}, {"scratch", use.scratch}, {"workspace", use.workspace}, {"slots", use.slots}};
    for (const auto& [name, bytes] : fields) {
      if (status == napi_ok) status = set_number(env, *value, name, static_cast<double>(bytes));
    }
    return status;
  };
}

Reply reply_choices(MeasuredChoices choices) {
  return [choices = std::move(choices)](napi_env env, napi_value* result) {
    napi_value device, taken, pair, part;
    const auto make_text = [env](const std::string& s, napi_value* value) {
      return napi_create_string_utf8(env, s.data(), s.size(), value);
    };
    napi_status status = napi_create_object(env, result);
    if (status == napi_ok) status = make_text(choices.device, &device);
    if (status == napi_ok) status = napi_set_named_property(env, *result, "device", device);
    if (status == napi_ok) status = napi_create_array(env, &taken);
    if (status == napi_ok) status = napi_set_named_property(env, *result, "taken", taken);
    uint32_t at = 0;
    for (const auto& [what, choice] : choices.taken) {
      if (status == napi_ok) status = napi_create_array(env, &pair);
      if (status == napi_ok) status = napi_set_element(env, taken, at++, pair);
      uint32_t side = 0;
      for (const std::string* s : {&what, &choice}) {
        if (status == napi_ok) status = make_text(*s, &part);
        if (status == napi_ok) status = napi_set_element(env, pair, side++, part);
      }
    }
    return status;
  };
}

Reply reply_floats(std::vector<double> values) {
  return [values = std::move(values)](napi_env env, napi_value* result) {
    napi_value buffer;
    napi_status status = array_buffer(env, values.data(), values.size() * sizeof(double), &buffer);
    if (status == napi_ok) status = napi_create_typedarray(env, napi_float64_array, values.size(), buffer, 0, result);
    return status;
  };
}

Span report_span(const Napi::Value& value) {
  const Napi::Object report = object(value, "report");
  Span from{Region::kPersistent, -1, 0, 0};
  from.offset = static_cast<uint64_t>(integer(report.Get("offset"), "report.offset", 0));
  from.bytes = static_cast<uint64_t>(integer(report.Get("bytes"), "report.bytes", 0));
  return from;
}

RunControl control_of(const Session& session, const std::atomic<bool>& stop, double budget_seconds,
                      Executor& executor) {
  return {&stop, budget_seconds, [&] { return executor.run_ahead(&session); },
          [&] { return executor.awaited(&session); }};
}

// Runs stretches, then reads the report.
std::function<Reply(Session&, const std::atomic<bool>&)> run_work(std::vector<Stretch> series, double budget_seconds,
                                                                  const Span& report, Executor& executor) {
  return [=, &executor](Session& session, const std::atomic<bool>& stop) {
    session.check(report);
    const RunResult result = session.run_series(series, control_of(session, stop, budget_seconds, executor));
    return reply_run(result, read_span(session, report), report.bytes);
  };
}

}  // namespace

Napi::Function SessionObject::define(Napi::Env env) {
  return DefineClass(env, "Session",
                     {
                         InstanceMethod<&SessionObject::reserve>("reserve"),
                         InstanceMethod<&SessionObject::load>("load"),
                         InstanceMethod<&SessionObject::unload>("unload"),
                         InstanceMethod<&SessionObject::run>("run"),
                         InstanceMethod<&SessionObject::run_series>("runSeries"),
                         InstanceMethod<&SessionObject::profile>("profile"),
                         InstanceMethod<&SessionObject::write>("write"),
                         InstanceMethod<&SessionObject::read>("read"),
                         InstanceMethod<&SessionObject::read_into>("readInto"),
                         InstanceMethod<&SessionObject::allocate_slot>("allocateSlot"),
                         InstanceMethod<&SessionObject::release_slot>("releaseSlot"),
                         InstanceMethod<&SessionObject::turn_slot>("turnSlot"),
                         InstanceMethod<&SessionObject::stop>("stop"),
                         InstanceMethod<&SessionObject::memory>("memory"),
                         InstanceMethod<&SessionObject::choices>("choices"),
                         InstanceMethod<&SessionObject::recall_choices>("recallChoices"),
                         InstanceMethod<&SessionObject::dispose>("dispose"),
                     });
}

SessionObject::SessionObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<SessionObject>(info) {
  try {
    const Napi::Object options = object(info[0], "options");
    const std::string name = text(options.Get("device"), "options.device");
    const auto threads = static_cast<int>(integer(options.Get("threads"), "options.threads", 0, 1024));
    const Napi::Value plugin = options.Get("plugin");
    const Napi::Value deterministic = options.Get("deterministic");
    const Device device = open_device(name, threads, plugin.IsUndefined() ? "" : text(plugin, "options.plugin"),
                                      !deterministic.IsUndefined() && boolean(deterministic, "options.deterministic"));
    environment_ = info.Env().GetInstanceData<Addon>()->environment;
    auto session = std::make_shared<Session>(device.create, device.memory_limit);
    handle_ = std::make_shared<SessionHandle>(
        SessionHandle{std::move(session), &Executor::of(device.name, cpu::usable_threads() > 1)});
    environment_->add(handle_);
  } catch (const Error& error) {
    throw Napi::Error(info.Env(), make_error(info.Env(), error.code(), error.what()));
  } catch (const std::bad_alloc&) {
    throw Napi::Error(info.Env(), make_error(info.Env(), "ERR_OOM", "Out of memory"));
  }
}

SessionObject::~SessionObject() {
  if (!handle_) return;  // the constructor threw
  environment_->remove(handle_);
  account(0);
  if (!disposed_) handle_->abandon();
}

Napi::Value SessionObject::call(const Napi::CallbackInfo& info, const std::function<Work()>& prepare) {
  const Napi::Env env = info.Env();
  const auto reject = [&](napi_value error) {
    const Napi::Promise::Deferred failed(env);
    failed.Reject(error);
    return failed.Promise();
  };
  try {
    Work work = prepare();
    if (disposed_) return reject(make_error(env, "ERR_DISPOSED", "The session was disposed"));
    return submit(env, std::move(work));
  } catch (const Error& error) {
    return reject(make_error(env, error.code(), error.what()));
  } catch (const Napi::Error& error) {  // a getter of the caller's threw
    return reject(error.Value());
  } catch (const std::bad_alloc&) {
    return reject(make_error(env, "ERR_OOM", "Out of memory"));
  } catch (const std::exception& error) {
    return reject(make_error(env, "ERR_INTERNAL", error.what()));
  }
}

Napi::Value SessionObject::submit(Napi::Env env, Work work) {
  napi_value promise;
  const napi_deferred deferred = environment_->begin(env, &promise);
  Ref();
  const std::function<void()> settled = [this] { Unref(); };
  const auto environment = environment_;
  const auto session = handle_->session;
  Job job;
  job.owner = session.get();
  job.ahead = work.ahead;
  job.run = [=, run = std::move(work.run), sizes = work.sizes](const std::atomic<bool>& stop) {
    Outcome outcome{deferred, nullptr, "", "", settled};
    try {
      outcome.reply = run(*session, stop);
    } catch (const Error& error) {
      outcome.code = error.code();
      outcome.message = error.what();
    } catch (const std::bad_alloc&) {
      outcome.code = "ERR_OOM";
      outcome.message = "Out of memory";
    } catch (const std::exception& error) {
      outcome.code = "ERR_INTERNAL";
      outcome.message = error.what();
    }
    if (sizes) {
      outcome.settled = [this, settled, bytes = bytes_of(*session)] {
        if (!disposed_) account(bytes);
        settled();
      };
    }
    environment->deliver(std::move(outcome));
  };
  job.dropped = [=] {
    environment->deliver({deferred, nullptr, "ERR_DISPOSED", "The session was disposed before this was done", settled});
  };
  try {
    handle_->executor->submit(std::move(job));
  } catch (const std::exception& error) {
    environment_->deliver(
        {deferred, nullptr, "ERR_OOM",
         std::string("The system gives the process no thread, by a limit on processes or memory: ") + error.what(),
         settled});
  }
  return Napi::Value(env, promise);
}

void SessionObject::account(int64_t bytes) {
  Napi::MemoryManagement::AdjustExternalMemory(Env(), bytes - accounted_);
  accounted_ = bytes;
}

Napi::Value SessionObject::reserve(const Napi::CallbackInfo& info) {
  return call(info, [&]() -> Work {
    const auto bytes = static_cast<uint64_t>(integer(info[0], "bytes", 0));
    const auto work = [=](Session& session, const std::atomic<bool>&) -> Reply {
      session.reserve(bytes);
      return undefined;
    };
    return {work, false, true};
  });
}

Napi::Value SessionObject::load(const Napi::CallbackInfo& info) {
  return call(info, [&]() -> Work {
    const Bytes program = uint8_bytes(info[0], "program");
    const auto work = [=](Session& session, const std::atomic<bool>&) {
      return reply_number(session.load(program.data.get(), program.size));
    };
    return {work, false, true};
  });
}

Napi::Value SessionObject::unload(const Napi::CallbackInfo& info) {
  return call(info, [&]() -> Work {
    const auto entry = static_cast<int>(integer(info[0], "entry", 0, INT32_MAX));
    return [=](Session& session, const std::atomic<bool>&) -> Reply {
      session.unload(entry);
      return undefined;
    };
  });
}

Napi::Value SessionObject::run(const Napi::CallbackInfo& info) {
  return call(info, [&]() -> Work {
    const Stretch stretch{static_cast<int>(integer(info[0], "entry", 0, INT32_MAX)), integer(info[1], "steps", 1)};
    return run_work({stretch}, number(info[2], "budgetMs", 0) / 1000, report_span(info[3]), *handle_->executor);
  });
}

Napi::Value SessionObject::run_series(const Napi::CallbackInfo& info) {
  return call(info, [&]() -> Work {
    const double budget_seconds = number(info[1], "budgetMs", 0) / 1000;
    return run_work(stretches(info[0], "series"), budget_seconds, report_span(info[2]), *handle_->executor);
  });
}

Napi::Value SessionObject::profile(const Napi::CallbackInfo& info) {
  return call(info, [&]() -> Work {
    const auto entry = static_cast<int>(integer(info[0], "entry", 0, INT32_MAX));
    const int64_t steps = integer(info[1], "steps", 1);
    const double budget_seconds = number(info[2], "budgetMs", 0) / 1000;
    return [=](Session& session, const std::atomic<bool>& stop) {
      return reply_floats(session.profile(entry, steps, {&stop, budget_seconds}));
    };
  });
}

Napi::Value SessionObject::write(const Napi::CallbackInfo& info) {
  return call(info, [&]() -> Work {
    Span to = span(info[0], "to");
    const Bytes bytes = view_bytes(info[1], "data");
    to.bytes = bytes.size;
    const auto work = [=](Session& session, const std::atomic<bool>&) -> Reply {
      session.write(to, bytes.data.get());
      return undefined;
    };
    return {work, is_spare(to.slot)};
  });
}

Napi::Value SessionObject::read(const Napi::CallbackInfo& info) {
  return call(info, [&]() -> Work {
    Span from = span(info[0], "from");
    from.bytes = static_cast<uint64_t>(integer(info[0].As<Napi::Object>().Get("bytes"), "from.bytes", 0));
    return [=](Session& session, const std::atomic<bool>&) -> Reply {
      const auto data = read_span(session, from);
      return [=](napi_env env, napi_value* value) { return array_buffer(env, data.get(), from.bytes, value); };
    };
  });
}

Napi::Value SessionObject::read_into(const Napi::CallbackInfo& info) {
  return call(info, [&]() -> Work {
    Span from = span(info[0], "from");
    const View to = view(info[1], "to");
    from.bytes = to.size;
    return [=](Session& session, const std::atomic<bool>&) -> Reply {
      session.check(from);
      session.read(from, to.data);
      return undefined;
    };
  });
}

Napi::Value SessionObject::allocate_slot(const Napi::CallbackInfo& info) {
  return call(info, [&]() -> Work {
    const auto slot = static_cast<int>(integer(info[0], "slot", 0, kAllSlots - 1));
    const auto dtype = static_cast<DType>(integer(info[1], "dtype", 0, static_cast<int>(DType::kFloat64)));
    const int64_t rows = integer(info[2], "rows", 1, kMaxDimension);
    const int64_t row_elements = integer(info[3], "rowElements", 1, kMaxDimension);
    const auto work = [=](Session& session, const std::atomic<bool>&) -> Reply {
      session.allocate_slot(slot, dtype, rows, row_elements);
      return undefined;
    };
    return {work, is_spare(slot), true};
  });
}

Napi::Value SessionObject::release_slot(const Napi::CallbackInfo& info) {
  return call(info, [&]() -> Work {
    const auto slot = static_cast<int>(integer(info[0], "slot", 0, kAllSlots - 1));
    const auto work = [=](Session& session, const std::atomic<bool>&) -> Reply {
      session.release_slot(slot);
      return undefined;
    };
    return {work, is_spare(slot), true};
  });
}

Napi::Value SessionObject::turn_slot(const Napi::CallbackInfo& info) {
  return call(info, [&]() -> Work {
    const auto slot = static_cast<int>(integer(info[0], "slot", 0, kSlots - 1));
    return [=](Session& session, const std::atomic<bool>&) -> Reply {
      session.turn_slot(slot);
      return undefined;
    };
  });
}

Napi::Value SessionObject::stop(const Napi::CallbackInfo& info) {
  if (!disposed_) handle_->executor->stop(handle_->session.get());
  return info.Env().Undefined();
}

Napi::Value SessionObject::memory(const Napi::CallbackInfo& info) {
  return call(info, []() -> Work {
    return [](Session& session, const std::atomic<bool>&) { return reply_memory(session.memory()); };
  });
}

Napi::Value SessionObject::choices(const Napi::CallbackInfo& info) {
  return call(info, []() -> Work {
    return [](Session& session, const std::atomic<bool>&) { return reply_choices(session.choices()); };
  });
}

Napi::Value SessionObject::recall_choices(const Napi::CallbackInfo& info) {
  return call(info, [&]() -> Work {
    const MeasuredChoices earlier = measured_choices(info[0], "earlier");
    return [=](Session& session, const std::atomic<bool>&) -> Reply {
      session.recall(earlier);
      return undefined;
    };
  });
}

// Disposing again is no mistake: it resolves once more.
Napi::Value SessionObject::dispose(const Napi::CallbackInfo& info) {
  if (!disposed_) {
    handle_->executor->stop(handle_->session.get());
    handle_->executor->drop(handle_->session.get());
  }
  disposed_ = true;
  account(0);
  return submit(info.Env(), [](Session& session, const std::atomic<bool>&) -> Reply {
    session.close();
    return undefined;
  });
}

}  // namespace gradstep::binding
