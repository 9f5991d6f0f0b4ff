// SPDX-License-Identifier: Apache-2.0
#include "shared/inference/engine_factory.h"

#include <dlfcn.h>

#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "shared/base/status.h"
#include "shared/inference/openvino_engine.h"
#include "shared/inference/torch/plugin.h"

namespace reelsight::inference {
namespace {

constexpr const char* kRemedy =
    "run scripts/setup and build again, which makes it where LibTorch is installed, or use the engine openvino";

struct TorchFunctions {
  TorchCheckDevice check_device = nullptr;
  TorchLoadEngine load = nullptr;
};

absl::StatusOr<TorchFunctions> OpenTorchPlugin() {
  std::error_code error;
  const std::filesystem::path folder = std::filesystem::read_symlink("/proc/self/exe", error).parent_path();
  for (const std::filesystem::path& place : {folder, folder.parent_path() / "lib"}) {
    const std::filesystem::path file = place / kTorchPluginFile;
    if (!std::filesystem::exists(file, error)) continue;
    // Local: LibTorch's many symbols must not serve, nor be served by, others. Never closed: engines hold its code.
    void* const plugin = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (plugin == nullptr) {
      return absl::FailedPreconditionError(
          absl::StrCat("the LibTorch engine does not load: ", dlerror(), "; ", kRemedy));
    }
    const auto version = reinterpret_cast<TorchPluginVersion>(dlsym(plugin, kTorchPluginVersionSymbol));
    const TorchFunctions functions = {
        .check_device = reinterpret_cast<TorchCheckDevice>(dlsym(plugin, kTorchCheckDeviceSymbol)),
        .load = reinterpret_cast<TorchLoadEngine>(dlsym(plugin, kTorchLoadEngineSymbol))};
    if (version == nullptr || version() != kTorchPluginVersion || functions.check_device == nullptr ||
        functions.load == nullptr) {
      return absl::FailedPreconditionError(absl::StrCat(file.string(), " is of another build; ", kRemedy));
    }
    return functions;
  }
  return absl::FailedPreconditionError(absl::StrCat("the LibTorch engine is not installed: no ", kTorchPluginFile,
                                                    " in ", folder.string(), " nor in ",
                                                    (folder.parent_path() / "lib").string(), "; ", kRemedy));
}

const absl::StatusOr<TorchFunctions>& TorchPlugin() {
  static const auto& plugin = *new absl::StatusOr<TorchFunctions>(OpenTorchPlugin());
  return plugin;
}

}  // namespace

std::string_view EngineKindName(EngineKind kind) { return kind == EngineKind::kOpenVino ? "openvino" : "libtorch"; }

absl::StatusOr<EngineKind> EngineKindFromName(std::string_view name) {
  for (const EngineKind kind : {EngineKind::kOpenVino, EngineKind::kLibTorch}) {
    if (name == EngineKindName(kind)) return kind;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("no engine `", std::string(name), "`; there are openvino and libtorch"));
}

absl::StatusOr<std::unique_ptr<Engine>> LoadEngine(EngineKind kind, const std::string& model_path,
                                                   const EngineOptions& options) {
  if (kind == EngineKind::kOpenVino) return LoadOpenVinoEngine(model_path, options);
  if (!TorchPlugin().ok()) return TorchPlugin().status();
  absl::StatusOr<std::unique_ptr<Engine>> engine = absl::InternalError("not loaded");
  TorchPlugin()->load(model_path, options, &engine);
  return engine;
}

absl::Status EngineAvailable(EngineKind kind, const std::string& device) {
  if (kind == EngineKind::kOpenVino) {
    if (device == "cpu") return absl::OkStatus();
    return absl::FailedPreconditionError(absl::StrCat("the OpenVINO engine runs on the CPU, not on ", device));
  }
  if (!TorchPlugin().ok()) return TorchPlugin().status();
  absl::Status status;
  TorchPlugin()->check_device(device, &status);
  return status;
}

}  // namespace reelsight::inference
