// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/plan/analysis_plan.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "google/protobuf/descriptor.h"
#include "shared/base/status.h"

namespace reelsight::orchestrator {
namespace {

// Services are asked again every two seconds.
constexpr absl::Duration kServiceRetryDelay = absl::Seconds(2);

struct Offer {
  const analyzer::v1::AnalyzerDescription* description = nullptr;
  int endpoint = 0;
};

// The first endpoint that offers a name wins; services of one installation do not share names.
std::map<std::string, Offer> CollectOffers(const std::vector<EndpointSnapshot>& endpoints) {
  std::map<std::string, Offer> offers;
  for (size_t i = 0; i < endpoints.size(); ++i) {
    for (const analyzer::v1::AnalyzerDescription& description : endpoints[i].description.analyzers()) {
      offers.emplace(description.name(), Offer{&description, static_cast<int>(i)});
    }
  }
  return offers;
}

absl::Status UnknownAnalyzer(const std::string& name, const std::map<std::string, Offer>& offers,
                             const std::vector<EndpointSnapshot>& endpoints) {
  for (const EndpointSnapshot& endpoint : endpoints) {
    if (endpoint.description.analyzers().empty() && !endpoint.status.ok()) {
      return WithRetryDelay(
          MakeError(absl::StatusCode::kUnavailable, Reason::kAnalyzerUnavailable,
                    absl::StrCat("analyzer ", name, " is not known, and service ", endpoint.name,
                                 ", which may offer it, does not answer: ", endpoint.status.message())),
          kServiceRetryDelay);
    }
  }
  return WithMetadata(
      InvalidArgument(
          Reason::kUnknownAnalyzer,
          absl::StrCat("analyzers: no analyzer is called `", name, "`; there are ",
                       absl::StrJoin(offers, ", ", [](std::string* out, const auto& offer) { *out += offer.first; }))),
      "field", "analyzers");
}

// True if the request sets options for an analyzer, even empty ones.
bool HasOptions(const v1::AnalyzerOptions& options, const std::string& name) {
  const google::protobuf::FieldDescriptor* const field = options.GetDescriptor()->FindFieldByName(name);
  if (field != nullptr && !field->is_repeated()) return options.GetReflection()->HasField(options, field);
  return options.custom().contains(name);
}

// Why an analyzer cannot run now, or OK. An endpoint that is down is tried all the same: it may be back. What an
// analyzer says of itself is about its default models; options may name others, so with options it answers for itself.
absl::Status Availability(const analyzer::v1::AnalyzerDescription& description, const v1::AnalyzerOptions& options) {
  if (description.available() || HasOptions(options, description.name())) return absl::OkStatus();
  return MakeError(absl::StatusCode::kFailedPrecondition, Reason::kAnalyzerUnavailable,
                   absl::StrCat(description.name(), ": ", description.unavailable_reason()));
}

// Depth-first, so that dependencies come first. A cycle is cut where it closes: that dependency counts as missing.
class Planner {
 public:
  Planner(const std::map<std::string, Offer>& offers, const v1::AnalyzerOptions& options, AnalysisPlan& plan)
      : offers_(offers), options_(options), plan_(plan) {}

  absl::Status Add(const std::string& name) {
    if (!visited_.insert(name).second) return absl::OkStatus();
    const Offer& offer = offers_.at(name);
    PlannedAnalyzer planned{.description = *offer.description,
                            .endpoint = offer.endpoint,
                            .requested = false,
                            .options = {},
                            .spec = {},
                            .status = Availability(*offer.description, options_)};
    ASSIGN_OR_RETURN(planned.spec, Annotated(name, analysis::FromProto(offer.description->frame_spec())));
    for (const analyzer::v1::Dependency& dependency : offer.description->depends_on()) {
      if (offers_.contains(dependency.analyzer())) {
        RETURN_IF_ERROR(Add(dependency.analyzer()));
      } else if (!dependency.optional() && planned.status.ok()) {
        planned.status = WithMetadata(
            MakeError(absl::StatusCode::kFailedPrecondition, Reason::kDependencyFailed,
                      absl::StrCat(name, " builds on ", dependency.analyzer(), ", which no service offers")),
            "dependency", dependency.analyzer());
      }
    }
    places_[name] = static_cast<int>(plan_.analyzers.size());
    plan_.analyzers.push_back(std::move(planned));
    return absl::OkStatus();
  }

  const std::map<std::string, int>& places() const { return places_; }

 private:
  static absl::StatusOr<analysis::FrameSpec> Annotated(const std::string& name,
                                                       absl::StatusOr<analysis::FrameSpec> spec) {
    if (spec.ok()) return spec;
    return MakeError(absl::StatusCode::kInternal, Reason::kInternal,
                     absl::StrCat("analyzer ", name, " describes itself wrongly: ", spec.status().message()));
  }

  const std::map<std::string, Offer>& offers_;
  const v1::AnalyzerOptions& options_;
  AnalysisPlan& plan_;
  std::set<std::string> visited_;
  std::map<std::string, int> places_;
};

// Finds typed options by the name of the field, so that the orchestrator knows no analyzer by name.
absl::Status AssignOptions(const v1::AnalyzerOptions& options, const std::map<std::string, int>& places,
                           AnalysisPlan& plan) {
  const google::protobuf::Reflection& reflection = *options.GetReflection();
  std::vector<const google::protobuf::FieldDescriptor*> fields;
  reflection.ListFields(options, &fields);
  for (const google::protobuf::FieldDescriptor* field : fields) {
    if (field->is_repeated()) continue;  // The map of custom options, below.
    const auto place = places.find(field->name());
    if (place == places.end()) {
      return InvalidField("options." + field->name(), "is set, but this analyzer does not run");
    }
    plan.analyzers[place->second].options.PackFrom(reflection.GetMessage(options, field));
  }
  for (const auto& [name, custom] : options.custom()) {
    const auto place = places.find(name);
    const std::string path = absl::StrCat("options.custom[\"", name, "\"]");
    if (place == places.end()) return InvalidField(path, "is set, but this analyzer does not run");
    if (!plan.analyzers[place->second].description.options_type().empty()) {
      return InvalidField(path, absl::StrCat("is set, but this analyzer has typed options: set options.", name));
    }
    plan.analyzers[place->second].options.PackFrom(custom);
  }
  return absl::OkStatus();
}

}  // namespace

SamplingRule PlannedAnalyzer::RuleFor(double frame_rate, v1::AnalyzeRequest::SamplingProfile profile) const {
  if (sample_fps > 0) return {.sample_fps = sample_fps};
  if (profile == v1::AnalyzeRequest::REFERENCE) return ReferenceRule(description.sampling(), frame_rate);
  return {.sample_fps = description.sampling().sample_fps()};
}

absl::StatusOr<AnalysisPlan> MakePlan(const v1::AnalyzeRequest& request,
                                      const std::vector<EndpointSnapshot>& endpoints) {
  const std::map<std::string, Offer> offers = CollectOffers(endpoints);
  std::vector<std::string> names(request.analyzers().begin(), request.analyzers().end());
  const bool all = names.empty();
  AnalysisPlan plan;
  if (all) {
    for (const auto& [name, offer] : offers) {
      const bool runs = Availability(*offer.description, request.options()).ok();
      (runs ? names : plan.left_out).push_back(name);
    }
    if (names.empty()) {
      // What nobody has heard of yet may be there in a moment.
      for (const EndpointSnapshot& endpoint : endpoints) {
        if (endpoint.status.ok() || !endpoint.description.analyzers().empty()) continue;
        return WithRetryDelay(MakeError(absl::StatusCode::kUnavailable, Reason::kAnalyzerUnavailable,
                                        absl::StrCat("no analyzer is available, because service ", endpoint.name,
                                                     " does not answer: ", endpoint.status.message())),
                              kServiceRetryDelay);
      }
      return MakeError(absl::StatusCode::kFailedPrecondition, Reason::kAnalyzerUnavailable,
                       "no analyzer is available; ListAnalyzers tells why");
    }
  }
  Planner planner(offers, request.options(), plan);
  for (const std::string& name : names) {
    if (!offers.contains(name)) return UnknownAnalyzer(name, offers, endpoints);
    RETURN_IF_ERROR(planner.Add(name));
  }
  for (const std::string& name : names) {
    const int place = planner.places().at(name);
    plan.analyzers[place].requested = true;
    plan.answer_order.push_back(place);
  }
  RETURN_IF_ERROR(AssignOptions(request.options(), planner.places(), plan));
  for (const auto& [name, fps] : request.sample_fps()) {
    const auto place = planner.places().find(name);
    if (place == planner.places().end()) {
      return InvalidField(absl::StrCat("sample_fps[\"", name, "\"]"), "is set, but this analyzer does not run");
    }
    plan.analyzers[place->second].sample_fps = fps;
  }
  return plan;
}

}  // namespace reelsight::orchestrator
