// SPDX-License-Identifier: Apache-2.0
#include "shared/inference/torch/run_torch.h"

#include <c10/util/Exception.h>

#include <exception>
#include <new>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "shared/base/status.h"

namespace reelsight::inference {
namespace {

// LibTorch's host allocator and oneDNN throw general errors; only their words tell.
bool SaysOutOfMemory(std::string_view message) {
  for (const std::string_view words : {"can't allocate memory", "not enough memory", "out of memory",
                                       "Storage size calculation overflowed", "could not allocate memory"}) {
    if (message.find(words) != std::string_view::npos) return true;
  }
  return false;
}

absl::Status OutOfMemory() {
  return absl::ResourceExhaustedError("out of memory while a model ran; use a smaller batch or more memory");
}

absl::Status FromMessage(std::string_view message) {
  if (SaysOutOfMemory(message)) return OutOfMemory();
  return MakeError(absl::StatusCode::kInternal, Reason::kInternal,
                   absl::StrCat("LibTorch: ", std::string(message.substr(0, message.find('\n')).substr(0, 500))));
}

}  // namespace

absl::Status RunTorch(const std::function<absl::Status()>& function) {
  try {
    return function();
  } catch (const std::bad_alloc&) {
    return OutOfMemory();
  } catch (const c10::OutOfMemoryError&) {
    return OutOfMemory();
  } catch (const c10::Error& error) {
    return FromMessage(error.what_without_backtrace());
  } catch (const std::exception& error) {
    return FromMessage(error.what());
  }
}

}  // namespace reelsight::inference
