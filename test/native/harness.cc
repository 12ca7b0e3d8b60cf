#include "harness.h"

#include <cstring>

namespace gradstep::test {

std::vector<Test>& tests() {
  static std::vector<Test> list;
  return list;
}

void fail(const char* file, int line, const std::string& message) {
  const char* name = std::strrchr(file, '/');
  throw Failure{std::string(name ? name + 1 : file) + ":" + std::to_string(line) + ": " + message};
}

void expect_error(const std::function<void()>& body, const std::string& code, const std::vector<std::string>& parts,
                  const char* file, int line) {
  try {
    body();
  } catch (const Error& error) {
    expect_equal(std::string(error.code()), code, "the code", file, line);
    for (const std::string& part : parts) {
      if (std::string(error.what()).find(part) == std::string::npos) {
        fail(file, line, "\"" + part + "\" is not in \"" + error.what() + "\"");
      }
    }
    return;
  }
  fail(file, line, "nothing was thrown, expected " + code);
}

namespace {

bool passes(const Test& test) {
  std::string why;
  try {
    test.body();
    return true;
  } catch (const Failure& failure) {
    why = failure.message;
  } catch (const Error& error) {
    why = std::string("threw ") + error.code() + ": " + error.what();
  } catch (const std::exception& error) {
    why = std::string("threw ") + error.what();
  }
  std::cout << "FAILED " << test.name << ": " << why << "\n";
  return false;
}

}  // namespace

int run_tests(const char* filter) {
  int passed = 0, failed = 0;
  for (const Test& test : tests()) {
    if (std::strstr(test.name, filter) == nullptr) continue;
    (passes(test) ? passed : failed)++;
  }
  std::cout << passed << " passed, " << failed << " failed" << std::endl;
  return failed == 0 && passed > 0 ? 0 : 1;
}

}  // namespace gradstep::test
