// SPDX-License-Identifier: Apache-2.0
//
// The real networks on real pictures, held against MediaPipe's own Python run: see make_goldens.py.
#include "services/detection/eye_tracking/face_finder.h"

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "services/detection/eye_tracking/face_pictures_test_support.h"
#include "services/detection/eye_tracking/gaze.h"
#include "shared/testing/test_models.h"

namespace reelsight::eye_tracking {
namespace {

using analysis::Image;
using Picture = std::shared_ptr<const Image>;

// Lines of testdata/faces.txt by their first word, for one picture.
using Golden = std::map<std::string, std::vector<std::vector<double>>>;

std::map<std::string, Golden> ReadGoldens() {
  const char* const source = std::getenv("REELSIGHT_SOURCE_DIR");
  std::ifstream file(
      absl::StrCat(source == nullptr ? "." : source, "/services/detection/eye_tracking/testdata/faces.txt"));
  EXPECT_TRUE(file.good());
  std::map<std::string, Golden> goldens;
  Golden* golden = nullptr;
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string key, name;
    words >> key;
    if (key == "picture") {
      words >> name;
      golden = &goldens[name];
      continue;
    }
    std::vector<double>& values = (*golden)[key].emplace_back();
    for (double value = 0; words >> value;) values.push_back(value);
  }
  return goldens;
}

class FaceFinderTest : public ::testing::Test {
 protected:
  // Where a network must look to see what MediaPipe on a CPU shows it for `region`: it samples at the upper left
  // corners of the input's pixels, which moves the picture by half a step less half a pixel.
  static Region AsMediaPipeSamples(Region region, int input_px) {
    const double step = region.side_px / input_px;
    const double cosine = std::cos(region.angle_radians), sine = std::sin(region.angle_radians);
    region.center.x += 0.5 - 0.5 * step * (cosine - sine);
    region.center.y += 0.5 - 0.5 * step * (sine + cosine);
    return region;
  }

  void SetUp() override {
    // The goldens are made in float32.
    static const auto* const models = new absl::StatusOr<std::unique_ptr<testing::TestModels>>(
        testing::OpenInstalledModels(kFaceModels, {.half_precision = false}));
    if (!models->ok()) GTEST_SKIP() << models->status().message();
    source_ = &(**models)->runtime();
    models_.short_range = Acquire("blazeface_short_range");
    models_.full_range = Acquire("blazeface_full_range");
    models_.mesh = Acquire("mediapipe_face_landmark");
    models_.iris = Acquire("mediapipe_iris_landmark");
  }

  inference::PinnedModel Acquire(const char* name) {
    auto model = source_->Acquire(name, CancelToken());
    EXPECT_TRUE(model.ok()) << model.status();
    return *std::move(model);
  }

  std::vector<FoundFace> Find(const Image& picture) {
    const auto finder = FaceFinder::Create(models_, {.client = "test"});
    EXPECT_TRUE(finder.ok()) << finder.status();
    const Image* const pictures[] = {&picture};
    auto faces = finder->Find(pictures, CancelToken());
    EXPECT_TRUE(faces.ok()) << faces.status();
    return faces.ok() ? (*faces)[0] : std::vector<FoundFace>();
  }

  // The only face, with a pose and both eyes.
  FoundFace FindOne(const Image& picture) {
    std::vector<FoundFace> faces = Find(picture);
    EXPECT_EQ(faces.size(), 1);
    if (faces.size() != 1 || !faces[0].pose || !faces[0].left_eye || !faces[0].right_eye) {
      ADD_FAILURE() << "no face with a pose and both eyes";
      std::exit(1);
    }
    return std::move(faces[0]);
  }

  inference::Sample Run(const inference::Model& model, const Image& picture, const Region& region, int input_px,
                        float mean, float scale, bool repeat_edges) {
    const auto placed = inference::WarpToTensor(
        picture, region.ToPicture(input_px),
        {.width_px = input_px,
         .height_px = input_px,
         .layout = model.inputs()[0].shape[1] == 3 ? inference::Layout::kNchw : inference::Layout::kNhwc,
         .mean = {mean, mean, mean},
         .scale = {scale, scale, scale},
         .fill = 0,
         .repeat_edges = repeat_edges});
    EXPECT_TRUE(placed.ok()) << placed.status();
    auto outputs = model.Run("test", {{placed->tensor}}, CancelToken());
    EXPECT_TRUE(outputs.ok()) << outputs.status();
    return (*outputs)[0];
  }

  std::vector<DetectedFace> Detect(const inference::Model& model, const Image& picture) {
    const auto head = FaceDetectorHead::ForFamily(model.entry().family());
    EXPECT_TRUE(head.ok()) << head.status();
    const Region whole = {.center = {0.5 * picture.width_px(), 0.5 * picture.height_px()},
                          .side_px = static_cast<double>(std::max(picture.width_px(), picture.height_px()))};
    const Region looked = AsMediaPipeSamples(whole, head->input_px());
    const auto faces =
        head->Decode(Run(model, picture, looked, head->input_px(), 127.5F, 1 / 127.5F, false), whole, 0.5F);
    EXPECT_TRUE(faces.ok()) << faces.status();
    return *faces;
  }

  // Faces of a detector against MediaPipe's FaceDetection: places within `max_error` of the face's width, in the mean.
  void ExpectDetections(const inference::Model& model, const Image& picture,
                        const std::vector<std::vector<double>>& expected, double max_error) {
    const std::vector<DetectedFace> faces = Detect(model, picture);
    ASSERT_EQ(faces.size(), expected.size());
    for (size_t i = 0; i < faces.size(); ++i) {
      const std::vector<double>& golden = expected[i];
      const double width = golden[3] - golden[1];
      EXPECT_NEAR(faces[i].score, golden[0], 0.05);
      const float sides[] = {faces[i].box.left, faces[i].box.top, faces[i].box.right, faces[i].box.bottom};
      double error = 0;
      for (int side = 0; side < 4; ++side) error += std::abs(sides[side] - golden[1 + side]) / width / 16;
      for (int k = 0; k < DetectedFace::kKeypoints; ++k) {
        error += std::abs(faces[i].keypoints[k].x - golden[5 + 2 * k]) / width / 16;
        error += std::abs(faces[i].keypoints[k].y - golden[6 + 2 * k]) / width / 16;
      }
      RecordProperty(absl::StrCat(model.entry().name(), "_error"), absl::StrCat(error));
      std::printf("%s: score %.3f against %.3f, mean error %.4f of the width\n", model.entry().name().c_str(),
                  faces[i].score, golden[0], error);
      EXPECT_LT(error, max_error);
    }
  }

  FaceModels models_;

 private:
  inference::ModelSource* source_ = nullptr;
};

template <typename Points>
double MeanDistance(const Points& points, const std::vector<double>& golden, int values_per_point) {
  double sum = 0;
  for (size_t i = 0; i < points.size(); ++i) {
    sum += std::hypot(points[i].x - golden[values_per_point * i], points[i].y - golden[values_per_point * i + 1]);
  }
  return sum / static_cast<double>(points.size());
}

double WidthOf(const FaceMesh& mesh) {
  return std::hypot(mesh.points[kLeftCheek].x - mesh.points[kRightCheek].x,
                    mesh.points[kLeftCheek].y - mesh.points[kRightCheek].y);
}

TEST_F(FaceFinderTest, AgreesWithMediaPipe) {
  int compared = 0;
  for (auto& [name, golden] : ReadGoldens()) {
    SCOPED_TRACE(name);
    const size_t colon = name.find(':');
    const Picture picture =
        ReadFrame(name.substr(0, colon), colon == std::string::npos ? 0 : std::stod(name.substr(colon + 1)));
    if (picture == nullptr) {
      std::printf("%s is not in .deps/media: not compared\n", name.c_str());
      continue;
    }
    ++compared;
    ExpectDetections(*models_.short_range, *picture, golden["short_range"], 0.005);
    ExpectDetections(*models_.full_range, *picture, golden["full_range"], 0.02);
    if (golden["mesh"].empty()) continue;
    // Stage by stage: the short-range face gives the mesh, as in MediaPipe.
    const Region region = MeshRegion(Detect(*models_.short_range, *picture)[0]);
    const Region looked = AsMediaPipeSamples(region, kMeshInputPx);
    const auto mesh = DecodeMesh(Run(*models_.mesh, *picture, looked, kMeshInputPx, 0, 1 / 255.0F, true), region);
    ASSERT_TRUE(mesh.ok()) << mesh.status();
    const double mesh_error = MeanDistance(mesh->points, golden["mesh"][0], 3) / WidthOf(*mesh);
    EXPECT_LT(mesh_error, 0.005);
    double depth_error = 0;
    for (int i = 0; i < kMeshPoints; ++i) depth_error += std::abs(mesh->points[i].z - golden["mesh"][0][3 * i + 2]);
    depth_error /= kMeshPoints * WidthOf(*mesh);
    EXPECT_LT(depth_error, 0.005);
    // All of it: sampled at the centres of pixels, and another detector may have boxed the face.
    const FoundFace face = FindOne(*picture);
    const double whole_error = MeanDistance(face.mesh->points, golden["mesh"][0], 3) / WidthOf(*face.mesh);
    EXPECT_LT(whole_error, 0.03);
    std::printf("%s: mesh %.4f, its depth %.4f, through all detectors %.4f of the face's width\n", name.c_str(),
                mesh_error, depth_error, whole_error);
    for (const bool left : {false, true}) {
      const Region eye_region = EyeRegion(*mesh, left);
      const auto eye =
          DecodeEye(Run(*models_.iris, *picture, eye_region, kIrisInputPx, 0, 1 / 255.0F, true), eye_region);
      ASSERT_TRUE(eye.ok()) << eye.status();
      const std::string side = left ? "left" : "right";
      const double contour_error = MeanDistance(eye->contour, golden[side + "_contour"][0], 2) / eye->WidthPx();
      const double iris_error = MeanDistance(eye->iris, golden[side + "_iris"][0], 2) / eye->WidthPx();
      std::printf("  %s eye: contour %.4f, iris %.4f of the eye's width\n", side.c_str(), contour_error, iris_error);
      EXPECT_LT(contour_error, 0.05);
      EXPECT_LT(iris_error, 0.05);
    }
  }
  EXPECT_GE(compared, 3);
}

// The yaw of a mirrored picture is the negative one; pitch and openness stay.
TEST_F(FaceFinderTest, MirroredPicturesMirrorAngles) {
  for (const double seconds : {0.0, 1.0, 2.0, 3.0}) {
    SCOPED_TRACE(seconds);
    const FoundFace face = FindOne(*ReadFrame("carphone_pristine.mp4", seconds, "scale=528:-2"));
    const FoundFace mirrored = FindOne(*ReadFrame("carphone_pristine.mp4", seconds, "scale=528:-2,hflip"));
    EXPECT_NEAR(face.pose->yaw_degrees(), -mirrored.pose->yaw_degrees(), 6);
    EXPECT_NEAR(face.pose->pitch_degrees(), mirrored.pose->pitch_degrees(), 6);
    EXPECT_NEAR(face.pose->roll_degrees(), -mirrored.pose->roll_degrees(), 3);
    const auto gaze = EyeGaze(*face.left_eye, true, *face.pose),
               other = EyeGaze(*mirrored.right_eye, false, *mirrored.pose);
    ASSERT_TRUE(gaze && other);
    EXPECT_NEAR(YawDegrees(*gaze), -YawDegrees(*other), 8);
    EXPECT_NEAR(PitchDegrees(*gaze), PitchDegrees(*other), 8);
    EXPECT_NEAR(EyeOpenness(*face.left_eye, *face.pose), EyeOpenness(*mirrored.right_eye, *mirrored.pose), 0.1);
  }
}

// The head in carphone leans to the left of the picture.
TEST_F(FaceFinderTest, TurnedPicturesTurnTheRollOnly) {
  const std::string filter = "scale=528:-2,pad=700:700:-1:-1,rotate=";
  const FoundFace upright = FindOne(*ReadFrame("carphone_pristine.mp4", 0, filter + "0"));
  EXPECT_LT(upright.pose->roll_degrees(), -5);
  for (const int degrees : {-90, -45, 30, 60, 90}) {
    SCOPED_TRACE(degrees);
    const FoundFace turned = FindOne(*ReadFrame("carphone_pristine.mp4", 0, absl::StrCat(filter, degrees, "*PI/180")));
    EXPECT_NEAR(turned.pose->roll_degrees() - upright.pose->roll_degrees(), degrees, 5);
    // What was yaw and pitch in the picture is turned with it; how far the face looks away is not.
    EXPECT_NEAR(turned.pose->axes[2][2], upright.pose->axes[2][2], 0.05);
  }
}

TEST_F(FaceFinderTest, EmptyPicturesOfAnySizeHaveNone) {
  for (const auto& [width, height] : {std::pair{1, 1}, {2, 960}, {640, 360}, {4000, 3000}, {4000, 16}}) {
    SCOPED_TRACE(absl::StrCat(width, "x", height));
    EXPECT_TRUE(Find(*PlainPicture(width, height, 0)).empty());
  }
  EXPECT_TRUE(Find(*PlainPicture(640, 640, 255)).empty());
}

TEST_F(FaceFinderTest, LargePicturesGiveTheSameFace) {
  const FoundFace small = FindOne(*ReadFrame("carphone_pristine.mp4", 0, "scale=528:432"));
  const FoundFace large = FindOne(*ReadFrame("carphone_pristine.mp4", 0, "scale=4000:-2"));
  EXPECT_NEAR(small.pose->yaw_degrees(), large.pose->yaw_degrees(), 3);
  EXPECT_NEAR(small.box.left / 528, large.box.left / 4000, 0.02);
}

TEST_F(FaceFinderTest, HalfAFaceAtTheEdgeIsFoundOrLeftOutButNeverOutside) {
  for (const char* filter : {"crop=iw-85:ih:85:0", "crop=90:ih:0:0", "crop=iw:ih-75:0:75", "crop=iw:70:0:0"}) {
    SCOPED_TRACE(filter);
    const Picture picture = ReadFrame("carphone_pristine.mp4", 0, filter);
    const std::vector<FoundFace> faces = Find(*picture);
    EXPECT_LE(faces.size(), 1);
    for (const FoundFace& face : faces) {
      EXPECT_LT(face.box.left, picture->width_px());
      EXPECT_GT(face.box.right, 0);
      EXPECT_LT(face.box.top, picture->height_px());
      EXPECT_GT(face.box.bottom, 0);
    }
  }
}

TEST_F(FaceFinderTest, SmallFacesHaveABoxButNoInventedAngles) {
  // 45 px of face in 176 become 20 and 33.
  const std::string canvas = ",pad=640:360:200:100:gray";
  const std::vector<FoundFace> tiny = Find(*ReadFrame("carphone_pristine.mp4", 0, "scale=78:64" + canvas));
  for (const FoundFace& face : tiny) EXPECT_FALSE(face.left_eye || face.right_eye);
  const std::vector<FoundFace> small = Find(*ReadFrame("carphone_pristine.mp4", 0, "scale=128:104" + canvas));
  ASSERT_EQ(small.size(), 1);
  EXPECT_TRUE(small[0].pose.has_value());
  EXPECT_FALSE(small[0].left_eye || small[0].right_eye);
}

TEST_F(FaceFinderTest, ACrowdGivesAtMostTheLargestFaces) {
  // 40 by 5 pictures of one face each.
  const Picture crowd =
      ReadFrame("carphone_pristine.mp4", 0, "crop=80:80:48:32,scale=96:96,loop=loop=199:size=1:start=0,tile=40x5");
  ASSERT_EQ(crowd->width_px(), 3840);
  const std::vector<FoundFace> faces = Find(*crowd);
  std::printf("%zu faces of 200\n", faces.size());
  EXPECT_EQ(faces.size(), kMaxFaces);
  for (size_t i = 1; i < faces.size(); ++i) EXPECT_GE(faces[i - 1].box.area(), faces[i].box.area());
}

TEST(DetectionTilesTest, CoverThePictureWithOverlap) {
  EXPECT_TRUE(DetectionTiles({512, 512}).empty());
  const std::vector<Region> tiles = DetectionTiles({360, 640});
  ASSERT_EQ(tiles.size(), 3);
  EXPECT_EQ(tiles[0].center.y, 180);
  EXPECT_EQ(tiles[2].center.y, 460);
  EXPECT_EQ(tiles[1].center.x, 180);
  EXPECT_EQ(DetectionTiles({4000, 2}).size(), 8);
}

}  // namespace
}  // namespace reelsight::eye_tracking
