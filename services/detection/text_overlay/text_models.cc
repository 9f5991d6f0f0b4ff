// SPDX-License-Identifier: Apache-2.0
#include "services/detection/text_overlay/text_models.h"

#include "absl/strings/str_cat.h"
#include "shared/base/status.h"

namespace reelsight::text_overlay {
namespace {

using config::v1::ModelEntry;
using v1::TextOverlayOptions;

constexpr char kTask[] = "text_overlay";

// A part of an engine.
struct Part {
  const char* role;
  const char* family;
  // The engine's own model.
  const char* model;
};

constexpr Part kPpOcrDetector = {"detector", "ppocr_det", "ppocr_v6_det_small"};
constexpr Part kPpOcrClassifier = {"classifier", "ppocr_cls", "ppocr_v2_cls_mobile"};
constexpr Part kPpOcrRecognizer = {"recognizer", "ppocr_rec", "ppocr_v6_rec_small"};
constexpr Part kCraft = {"detector", "craft", "craft"};
constexpr Part kCrnn = {"recognizer", "crnn", "crnn"};

absl::StatusOr<std::string> DefaultOf(const inference::ModelSource& models, const Part& part, bool engine_is_named) {
  const auto entry = inference::DefaultOfFamily(models, kTask, part.role, part.family);
  if (entry.ok()) return (*entry)->name();
  if (engine_is_named) return std::string(part.model);
  return entry.status();
}

absl::StatusOr<std::string> Named(const inference::ModelSource& models, const std::string& name, const Part& part) {
  ASSIGN_OR_RETURN(const ModelEntry* const entry, models.Entry(name));
  if (entry->task() == kTask && entry->family() == part.family) return name;
  return InvalidField(absl::StrCat("options.text_overlay.", part.role, "_model"),
                      absl::StrCat(name, " is of family ", entry->family(), " for ", entry->task(), ", not of family ",
                                   part.family, " for ", kTask));
}

bool IsCraft(const inference::ModelSource& models, const TextOverlayOptions& options) {
  if (options.engine() != TextOverlayOptions::ENGINE_UNSPECIFIED) {
    return options.engine() == TextOverlayOptions::CRAFT_CRNN;
  }
  return inference::DefaultOfFamily(models, kTask, kCraft.role, kCraft.family).ok();
}

}  // namespace

std::vector<std::string> TextModels::all() const {
  std::vector<std::string> names = {detector, classifier, recognizer};
  std::erase(names, "");
  return names;
}

absl::StatusOr<TextModels> ChooseModels(const inference::ModelSource& models, const TextOverlayOptions& options) {
  const bool craft = IsCraft(models, options);
  const bool engine_is_named = options.engine() != TextOverlayOptions::ENGINE_UNSPECIFIED;
  const auto choose = [&](const std::string& name, const Part& part) {
    return name.empty() ? DefaultOf(models, part, engine_is_named) : Named(models, name, part);
  };
  TextModels chosen;
  ASSIGN_OR_RETURN(chosen.detector, choose(options.detector_model(), craft ? kCraft : kPpOcrDetector));
  ASSIGN_OR_RETURN(chosen.recognizer, choose(options.recognizer_model(), craft ? kCrnn : kPpOcrRecognizer));
  if (!craft) {
    ASSIGN_OR_RETURN(chosen.classifier, choose("", kPpOcrClassifier));
  }
  return chosen;
}

}  // namespace reelsight::text_overlay
