// The program: rows of a data set are gathered, two at a time pass through a recurrence (one launch, in a form that the
// test names), then through a dense layer with relu, and the sums of its columns are added up in persistent
// memory. Every number is a small multiple of a power of two, so that float32 holds it exactly in whatever order it is
// added.
#include "life.h"

#include <algorithm>

#include "core/verify.h"
#include "harness.h"
#include "program_builder.h"

namespace gradstep::test {
namespace {

constexpr int32_t kTimes = 2, kUnits = 4, kColumns = 32;
constexpr int32_t kRowElements = kTimes * kUnits;
constexpr int32_t kSmall = 4, kLarge = 1024;

// Persistent memory.
constexpr uint64_t kFlag = 0, kState = 64, kBias = 128, kRecurrent = 256, kKernel = 320, kSums = 896,
                   kPersistent = 1024;

double data(int32_t row, int32_t i) { return ((row * 3 + i) % 5 - 2) / 4.0; }
double recurrent(int32_t from, int32_t to) { return ((from + 2 * to) % 3 - 1) / 2.0; }
double kernel(int32_t from, int32_t to) { return ((2 * from + to) % 7 - 3) / 8.0; }
double bias(int32_t to) { return (to % 4 - 1) / 4.0; }

Tensor floats(Region region, uint64_t offset, const std::vector<int32_t>& dims) {
  return tensor(region, DType::kFloat32, offset, dims);
}

AdvanceArgs one_step() {
  AdvanceArgs advance{};
  advance.state = tensor(Region::kPersistent, DType::kInt32, kState, {4});
  advance.steps = 1;
  return advance;
}

// A program that only counts: its graphs of several steps are quickly made.
Program counting_program() {
  ProgramBuilder builder;
  builder.persistent_bytes = kPersistent;
  Program program = builder.add(one_step()).program();
  verify(program);
  return program;
}

Program program_of(int32_t rows) {
  const uint64_t bytes = sizeof(float) * static_cast<uint64_t>(rows);
  const uint64_t states = bytes * kRowElements, products = states + bytes * kUnits;
  const Tensor x = floats(Region::kScratch, 0, {rows, kTimes, kUnits});
  const Tensor h = floats(Region::kScratch, states, {rows, kUnits});
  const Tensor z = floats(Region::kScratch, products, {rows, kColumns});
  const Tensor state = tensor(Region::kPersistent, DType::kInt32, kState, {4});

  ProgramBuilder builder;
  builder.persistent_bytes = kPersistent;
  builder.scratch_bytes = products + bytes * kColumns;
  GatherArgs gather{};
  gather.state = state;
  gather.flag = tensor(Region::kPersistent, DType::kInt32, kFlag, {4});
  gather.y = x;
  gather.index_slot = -1;
  gather.shape = {3, {rows, kTimes, kUnits}};
  SimpleRnnArgs recurrence{};
  recurrence.xw = x;
  recurrence.u = floats(Region::kPersistent, kRecurrent, {kUnits, kUnits});
  recurrence.h = h;
  MatmulArgs dense{};
  dense.a = h;
  dense.b = floats(Region::kPersistent, kKernel, {kUnits, kColumns});
  dense.bias = floats(Region::kPersistent, kBias, {kColumns});
  dense.y = z;
  dense.activation = MatmulArgs::kActivationRelu;
  ReduceSumArgs sum{};
  sum.x = z;
  sum.y = floats(Region::kPersistent, kSums, {kColumns});
  sum.accumulate_y = 1;
  sum.outer = 1;
  sum.length = rows;
  sum.inner = kColumns;
  sum.scale = 1;
  sum.shape = {1, {kColumns}};
  builder.add(gather, "rows").add(recurrence, "rnn").add(dense, "dense").add(sum, "sum").add(one_step());
  Program program = builder.program();
  verify(program);
  return program;
}

// What one run of the program adds to column `to`.
double column_sum(int32_t rows, int32_t to) {
  double sum = 0;
  for (int32_t row = 0; row < rows; row++) {
    double z = bias(to);
    for (int32_t unit = 0; unit < kUnits; unit++) {
      double h = data(row, kUnits + unit);
      for (int32_t from = 0; from < kUnits; from++) h += data(row, from) * recurrent(from, unit);
      z += h * kernel(unit, to);
    }
    sum += std::max(z, 0.0);
  }
  return sum;
}

Span persistent(uint64_t offset, uint64_t bytes) { return {Region::kPersistent, -1, offset, bytes}; }

const RunControl kUnbounded{nullptr, 0};

}  // namespace

void Life::write_weights() {
  const auto write = [&](uint64_t offset, int32_t rows, int32_t columns, auto value) {
    std::vector<float> values;
    for (int32_t i = 0; i < rows * columns; i++) values.push_back(static_cast<float>(value(i / columns, i % columns)));
    backend_->write(persistent(offset, values.size() * sizeof(float)), values.data());
  };
  write(kBias, 1, kColumns, [](int32_t, int32_t to) { return bias(to); });
  write(kRecurrent, kUnits, kUnits, recurrent);
  write(kKernel, kUnits, kColumns, kernel);
}

void Life::write_data(int slot) {
  std::vector<float> values;
  for (int32_t i = 0; i < kLarge * kRowElements; i++) {
    values.push_back(static_cast<float>(data(i / kRowElements, i % kRowElements)));
  }
  backend_->write({Region::kNone, slot, 0, values.size() * sizeof(float)}, values.data());
  has_data_ = true;
}

void Life::clear_spare() {
  const std::vector<float> nothing(kLarge * kRowElements);
  backend_->write({Region::kNone, spare_of(0), 0, nothing.size() * sizeof(float)}, nothing.data());
}

void Life::replace_data() {
  has_data_ = false;
  backend_->allocate_slot(0, DType::kInt32, 2 * kLarge, 1);
}

void Life::go_on() {
  if (small_ != 0 && has_data_) run(small_, kSmall, 1);
}

void Life::count(int64_t times) {
  EXPECT_EQUAL(backend_->run(counting_, times, kUnbounded), times);
  steps_ += times;
}

// A run that has had its turn ends after what it has begun when others wait for the device.
void Life::give_way() {
  const RunControl awaited{nullptr, 1e12, nullptr, [] { return true; }, {}};
  EXPECT_EQUAL(backend_->run(counting_, 1000, awaited), 1);
  EXPECT_EQUAL(backend_->profile(counting_, 1000, awaited).size(), 2u);
  steps_ += 2;
}

void Life::run(int entry, int32_t rows, int64_t times) {
  EXPECT_EQUAL(backend_->run(entry, times, kUnbounded), times);
  steps_ += times;
  for (int32_t i = 0; i < kColumns; i++) sums_[static_cast<size_t>(i)] += times * column_sum(rows, i);
}

void Life::profile(int entry, int32_t rows, int64_t times) {
  constexpr size_t kMoments = 1 + 5;  // the program's begin, and the end of each of its steps
  EXPECT_EQUAL(backend_->profile(entry, times, kUnbounded).size(), kMoments * static_cast<size_t>(times));
  steps_ += times;
  for (int32_t i = 0; i < kColumns; i++) sums_[static_cast<size_t>(i)] += times * column_sum(rows, i);
}

void Life::expect_sums() {
  float sums[kColumns];
  backend_->read(persistent(kSums, sizeof sums), sums);
  for (size_t i = 0; i < kColumns; i++) EXPECT_EQUAL(sums[i], static_cast<float>(sums_[i]));
  int32_t state[4];
  backend_->read(persistent(kState, sizeof state), state);
  EXPECT_EQUAL(state[0], steps_);
}

std::vector<LifeStep> Life::steps() {
  sums_.assign(kColumns, 0);
  steps_ = 0;
  const auto small = [this](int64_t times) { return [this, times] { run(small_, kSmall, times); }; };
  return {
      {"create", false, [this] { backend_ = std::make_unique<cuda::CudaBackend>(device_, false); }},
      {"reserve", false, [this] { backend_->reserve(kPersistent); }},
      {"write weights", false, [this] { write_weights(); }},
      {"allocate a slot", false, [this] { backend_->allocate_slot(0, DType::kFloat32, kLarge, kRowElements); }},
      {"write the slot", false, [this] { write_data(0); }},
      {"load", false, [this] { small_ = backend_->load(program_of(kSmall)); }},
      {"run", true, small(3)},
      {"load a program of one kernel", false, [this] { counting_ = backend_->load(counting_program()); }},
      {"run graphs of several steps", true, [this] { count(20); }},
      {"give way", true, [this] { give_way(); }},
      {"profile", true, [this] { profile(small_, kSmall, 2); }},
      {"read", false, [this] { expect_sums(); }},
      {"load a larger program", false, [this] { large_ = backend_->load(program_of(kLarge)); }},
      {"run the larger program", true, [this] { run(large_, kLarge, 1); }},
      {"run the first program again", true, small(1)},
      {"reserve more", false, [this] { backend_->reserve(2 * kPersistent); }},
      {"run with more reserved", true, small(1)},
      {"allocate a spare", false,
       [this] { backend_->allocate_slot(spare_of(0), DType::kFloat32, kLarge, kRowElements); }},
      {"write the spare", false, [this] { write_data(spare_of(0)); }},
      {"turn the slot", false, [this] { backend_->turn_slot(0); }},
      {"overwrite what was the slot", false, [this] { clear_spare(); }},
      {"run on what was the spare", true, small(1)},
      {"read again", false, [this] { expect_sums(); }},
      {"allocate the slot again", false, [this] { replace_data(); }},
      {"release the slot", false, [this] { backend_->release_slot(0); }},
      {"unload", false, [this] { backend_->unload(small_); }},
  };
}

}  // namespace gradstep::test
