// SPDX-License-Identifier: Apache-2.0
//
// Where std::bad_alloc becomes a status: at the few places where a request's work begins, so that one that needs more
// memory than there is fails alone.
#pragma once

#include <new>
#include <string_view>

#include "shared/base/status.h"

namespace reelsight {

// Runs `function`, which returns an absl::Status or StatusOr; std::bad_alloc becomes OutOfMemory(what).
template <typename Function>
auto OrOutOfMemory(std::string_view what, Function&& function) -> decltype(function()) {
  try {
    return function();
  } catch (const std::bad_alloc&) {
    return OutOfMemory(what);
  }
}

}  // namespace reelsight
