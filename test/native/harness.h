// The C++ tests' own harness: TEST registers, the checks below end a test, run_tests prints `N passed, N failed`.
#pragma once

#include <functional>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "core/error.h"

namespace gradstep::test {

struct Test {
  const char* name;
  void (*body)();
};

std::vector<Test>& tests();

// Runs the tests whose name contains the filter; returns the exit status.
int run_tests(const char* filter);

struct Registration {
  Registration(const char* name, void (*body)()) { tests().push_back({name, body}); }
};

// Thrown by a check that does not hold: ends the test.
struct Failure {
  std::string message;
};

[[noreturn]] void fail(const char* file, int line, const std::string& message);

template <typename A, typename B>
void expect_equal(const A& actual, const B& expected, const char* what, const char* file, int line) {
  if (actual == expected) return;
  std::ostringstream text;
  text << what << " is " << actual << ", expected " << expected;
  fail(file, line, text.str());
}

// Calls `body`, which must throw Error `code` with every one of `parts` in its message.
void expect_error(const std::function<void()>& body, const std::string& code, const std::vector<std::string>& parts,
                  const char* file, int line);

}  // namespace gradstep::test

#define TEST(name)                                                          \
  static void name();                                                       \
  static const gradstep::test::Registration name##_registered(#name, name); \
  static void name()

#define EXPECT(condition) \
  if (!(condition)) gradstep::test::fail(__FILE__, __LINE__, "not so: " #condition)
#define EXPECT_EQUAL(actual, expected) gradstep::test::expect_equal(actual, expected, #actual, __FILE__, __LINE__)
// EXPECT_ERROR("ERR_PROGRAM", call(), "step 1", "field"): the call throws this code, the message holds these parts.
#define EXPECT_ERROR(code, call, ...) \
  gradstep::test::expect_error([&] { call; }, code, {__VA_ARGS__}, __FILE__, __LINE__)
