// SPDX-License-Identifier: Apache-2.0
//
// What analyzers that run networks of the catalogue have in common: options, the choice of models, Describe, acquiring
// models for a batch, and the models that a result names. A new one says its facts, turns a batch into payloads, and
// reduces payloads to its result; see services/detection/object_detection for one with a single network and tracks,
// services/detection/text_overlay for one with several.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/model_analyzer/model_choice.h"
#include "shared/analysis/analyzer.h"
#include "shared/inference/model_source.h"
#include "shared/service/model_description.h"

namespace reelsight::model_analyzer {

// What Describe says beside messages and models. Pictures are RGB24, in batches of 8.
struct Facts {
  std::string name;
  std::string description;
  // Longest side of the pictures. Analyzers with equal ones share one conversion.
  int max_side_px = 640;
  // Sampling, see analyzer.v1.Sampling.
  double sample_fps = 1;
  int reference_min_interval = 30;
  int reference_divisor = 1;
  // If true, Summarize gets the shots of cut_analysis where that runs too.
  bool follows_cuts = false;
};

// The models that a request uses.
struct UsedModels {
  // Names in the catalogue.
  std::vector<std::string> names;
  // Index of the one that a result names first.
  size_t main = 0;

  std::vector<std::string> main_first() const;
};

// What Describe says; `used` is the choice without options, or why there is none.
analyzer::v1::AnalyzerDescription DescribeFacts(const Facts& facts, const std::string& options_type,
                                                const std::string& result_type, const inference::ModelSource& models,
                                                const absl::StatusOr<UsedModels>& used);

// Thread-safe if the hooks are. `models` must outlive it.
template <typename Options, typename Result>
class ModelAnalyzer : public analysis::Analyzer {
 public:
  ModelAnalyzer(Facts facts, inference::ModelSource& models) : facts_(std::move(facts)), models_(models) {}

  analyzer::v1::AnalyzerDescription Describe() const final {
    return DescribeFacts(facts_, Options::descriptor()->full_name(), Result::descriptor()->full_name(), models_,
                         ModelsFor({}));
  }

  absl::StatusOr<std::vector<std::string>> AnalyzeFrames(const analysis::BatchView& view,
                                                         const CancelToken& cancel) final {
    ASSIGN_OR_RETURN(const Options options, analysis::UnpackOptions<Options>(*view.options));
    return MakePayloads(view, options, cancel);
  }

  absl::StatusOr<analyzer::v1::SummarizeResponse> Summarize(const analyzer::v1::SummarizeRequest& request,
                                                            const CancelToken& cancel) final {
    RETURN_IF_ERROR(cancel.status());
    ASSIGN_OR_RETURN(const Options options, analysis::UnpackOptions<Options>(request.options()));
    ASSIGN_OR_RETURN(const UsedModels used, ModelsFor(options));
    Result result;
    analyzer::v1::SummarizeResponse response;
    RETURN_IF_ERROR(Reduce(request, options, cancel, &result, &response));
    response.mutable_typed()->PackFrom(result);
    RETURN_IF_ERROR(service::SetModels(models_, used.main_first(), &response));
    return response;
  }

 protected:
  // The models that `options` ask for, installed or not. Loads nothing.
  virtual absl::StatusOr<UsedModels> ModelsFor(const Options& options) const = 0;
  // A payload for each target of `view`, in order, as analysis::Analyzer::AnalyzeFrames.
  virtual absl::StatusOr<std::vector<std::string>> MakePayloads(const analysis::BatchView& view, const Options& options,
                                                                const CancelToken& cancel) const = 0;
  // Reduces the payloads of `request` to `result`, and fills the timeline, headline and warning of `response`.
  virtual absl::Status Reduce(const analyzer::v1::SummarizeRequest& request, const Options& options,
                              const CancelToken& cancel, Result* result,
                              analyzer::v1::SummarizeResponse* response) const = 0;

  const std::string& name() const { return facts_.name; }
  inference::ModelSource& models() const { return models_; }

 private:
  const Facts facts_;
  inference::ModelSource& models_;
};

// A ModelAnalyzer with one network, which its options name in a field `model`.
template <typename Options, typename Result>
class OneModelAnalyzer : public ModelAnalyzer<Options, Result> {
 public:
  using ModelAnalyzer<Options, Result>::ModelAnalyzer;

 protected:
  // MakePayloads with the loaded `model`.
  virtual absl::StatusOr<std::vector<std::string>> MakePayloads(const analysis::BatchView& view, const Options& options,
                                                                const inference::Model& model,
                                                                const CancelToken& cancel) const = 0;
  // Reduce with the model's entry in the catalogue.
  virtual absl::Status Reduce(const analyzer::v1::SummarizeRequest& request, const Options& options,
                              const config::v1::ModelEntry& entry, const CancelToken& cancel, Result* result,
                              analyzer::v1::SummarizeResponse* response) const = 0;

 private:
  absl::StatusOr<const config::v1::ModelEntry*> EntryFor(const Options& options) const {
    return ChooseModel(this->models(), this->name(), options.model());
  }
  absl::StatusOr<UsedModels> ModelsFor(const Options& options) const final {
    ASSIGN_OR_RETURN(const config::v1::ModelEntry* const entry, EntryFor(options));
    return UsedModels{{entry->name()}};
  }
  absl::StatusOr<std::vector<std::string>> MakePayloads(const analysis::BatchView& view, const Options& options,
                                                        const CancelToken& cancel) const final {
    ASSIGN_OR_RETURN(const config::v1::ModelEntry* const entry, EntryFor(options));
    ASSIGN_OR_RETURN(const inference::PinnedModel model,
                     service::AcquireFor(view, this->models(), entry->name(), cancel));
    return MakePayloads(view, options, *model, cancel);
  }
  absl::Status Reduce(const analyzer::v1::SummarizeRequest& request, const Options& options, const CancelToken& cancel,
                      Result* result, analyzer::v1::SummarizeResponse* response) const final {
    ASSIGN_OR_RETURN(const config::v1::ModelEntry* const entry, EntryFor(options));
    return Reduce(request, options, *entry, cancel, result, response);
  }
};

}  // namespace reelsight::model_analyzer
