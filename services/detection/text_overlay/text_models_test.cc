// SPDX-License-Identifier: Apache-2.0
#include "services/detection/text_overlay/text_models.h"

#include <fstream>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/detection/text_overlay/text_analyzer.h"
#include "shared/base/status.h"
#include "shared/testing/scratch_folder.h"
#include "shared/testing/test_models.h"

namespace reelsight::text_overlay {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using v1::TextOverlayOptions;

// The built-in catalogue and then `own`; nothing is installed.
class TextModelsTest : public ::testing::Test {
 protected:
  inference::ModelSource& With(const std::string& own, inference::ModelRuntime::Options options = {}) {
    std::ofstream(folder_ / "mine.textproto") << own;
    auto store =
        model_store::ModelStore::Open({.directory = folder_ / "models", .catalog_files = {folder_ / "mine.textproto"}});
    EXPECT_TRUE(store.ok()) << store.status();
    models_ = std::make_unique<testing::TestModels>(*std::move(store), std::move(options));
    return models_->runtime();
  }
  static std::string Default(const std::string& name, const std::string& role, const std::string& family,
                             const std::string& more = "") {
    return absl::StrCat("models { name: '", name, "' version: '1' task: 'text_overlay' role: '", role, "' family: '",
                        family, "' default_for_task: true ", more,
                        " files { name: 'm' size_bytes: 1 path: 'm' sha256: '", std::string(64, '0'), "' } }\n");
  }
  static std::vector<std::string> Described(inference::ModelSource& models) {
    std::vector<std::string> names;
    const analyzer::v1::AnalyzerDescription description = MakeTextAnalyzer(models)->Describe();
    for (const analyzer::v1::Model& model : description.models()) names.push_back(model.name());
    return names;
  }

  const testing::ScratchFolder folder_;
  std::unique_ptr<testing::TestModels> models_;
};

TEST_F(TextModelsTest, TheBuiltInDefaultsArePpOcr) {
  inference::ModelSource& models = With("");
  EXPECT_THAT(Described(models), ElementsAre("ppocr_v6_det_small", "ppocr_v2_cls_mobile", "ppocr_v6_rec_small"));
  EXPECT_EQ(MakeTextAnalyzer(models)->Describe().unavailable_reason(),
            "models ppocr_v6_det_small, ppocr_v2_cls_mobile, ppocr_v6_rec_small are not installed; get them by: "
            "reelsight models pull ppocr_v6_det_small ppocr_v2_cls_mobile ppocr_v6_rec_small");
  TextOverlayOptions options;
  options.set_engine(TextOverlayOptions::CRAFT_CRNN);
  EXPECT_THAT(ChooseModels(models, options)->all(), ElementsAre("craft", "crnn"));
}

TEST_F(TextModelsTest, ADefaultOfYourOwnTakesItsRole) {
  inference::ModelSource& models = With(Default("mine", "recognizer", "ppocr_rec"));
  EXPECT_THAT(Described(models), ElementsAre("ppocr_v6_det_small", "ppocr_v2_cls_mobile", "mine"));
  TextOverlayOptions options;
  options.set_recognizer_model("ppocr_v6_rec_small");
  EXPECT_EQ(ChooseModels(models, options)->recognizer, "ppocr_v6_rec_small");
  options.set_engine(TextOverlayOptions::CRAFT_CRNN);
  options.clear_recognizer_model();
  EXPECT_THAT(ChooseModels(models, options)->all(), ElementsAre("craft", "crnn"));
}

TEST_F(TextModelsTest, ResultsNameAllModelsAndTheOnesBesideTheGpu) {
  inference::ModelRuntime::Options options;
  options.device = "cuda:0";
  options.gpu_engine = [](const std::string&, const inference::EngineOptions&) {
    return absl::StatusOr<std::unique_ptr<inference::Engine>>(absl::UnimplementedError("nothing is loaded"));
  };
  const auto analyzer =
      MakeTextAnalyzer(With(Default("mine", "recognizer", "ppocr_rec", "cpu_only: true"), std::move(options)));
  const auto response = analyzer->Summarize({}, CancelToken());
  ASSERT_TRUE(response.ok()) << response.status();
  std::vector<std::string> models;
  for (const analyzer::v1::Model& model : response->models()) {
    models.push_back(absl::StrCat(model.name(), " on ", model.device()));
  }
  EXPECT_THAT(models, ElementsAre("mine on cpu", "ppocr_v6_det_small on cuda:0", "ppocr_v2_cls_mobile on cuda:0"));
  EXPECT_EQ(response->model().name(), "mine");
  EXPECT_EQ(response->warning(), "model mine runs on the CPU, not on cuda:0, whose engine cannot run it");
}

TEST_F(TextModelsTest, TheDefaultDetectorSaysTheEngine) {
  inference::ModelSource& models = With(Default("spot", "detector", "craft") + Default("read", "recognizer", "crnn"));
  EXPECT_THAT(Described(models), ElementsAre("spot", "read"));
  TextOverlayOptions options;
  options.set_engine(TextOverlayOptions::PP_OCR);
  EXPECT_THAT(ChooseModels(models, options)->all(),
              ElementsAre("ppocr_v6_det_small", "ppocr_v2_cls_mobile", "ppocr_v6_rec_small"));
}

TEST_F(TextModelsTest, DefaultsThatDoNotFitTogetherAreToldAndNotReplaced) {
  inference::ModelSource& models = With(Default("spot", "detector", "craft"));
  const auto description = MakeTextAnalyzer(models)->Describe();
  EXPECT_FALSE(description.available());
  EXPECT_EQ(description.unavailable_reason(),
            "the default recognizer of text_overlay, ppocr_v6_rec_small, is of family ppocr_rec, not of family crnn");
  EXPECT_EQ(GetReason(ChooseModels(models, {}).status()), "WEIGHTS_MISSING");
}

TEST_F(TextModelsTest, NamedModelsOfOtherFamiliesAreRefused) {
  TextOverlayOptions options;
  options.set_detector_model("craft");
  const absl::Status refused = ChooseModels(With(""), options).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(refused.message()),
              HasSubstr("options.text_overlay.detector_model: craft is of family craft"));
}

}  // namespace
}  // namespace reelsight::text_overlay
