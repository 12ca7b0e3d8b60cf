// Elements of four bytes that are moved and never computed with: float32 and int32 alike.
#pragma once

#include <cstdint>

namespace gradstep::cpu {

using Word __attribute__((may_alias)) = uint32_t;

}  // namespace gradstep::cpu
