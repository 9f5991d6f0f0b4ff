// SPDX-License-Identifier: Apache-2.0
//
// Every message of protos/reelsight/payload/v1, filled by reflection, so that a new one is tried by being listed.
#include "services/frame_payload/frame_payload.h"

#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "reelsight/payload/v1/background_segmentation.pb.h"
#include "reelsight/payload/v1/body_pose.pb.h"
#include "reelsight/payload/v1/camera_analysis.pb.h"
#include "reelsight/payload/v1/color_analysis.pb.h"
#include "reelsight/payload/v1/cut_analysis.pb.h"
#include "reelsight/payload/v1/eye_tracking.pb.h"
#include "reelsight/payload/v1/object_detection.pb.h"
#include "reelsight/payload/v1/scene_segmentation.pb.h"
#include "reelsight/payload/v1/text_overlay.pb.h"
#include "services/frame_payload/payload_test_support.h"

namespace reelsight::frame_payload {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;
using ::testing::HasSubstr;

// A message, its version, and the fingerprint of its fields at that version.
struct Known {
  const Message* message;
  int version;
  uint64_t fingerprint;
};

std::vector<Known> AllPayloads() {
  using namespace payload::v1;
  return {
      {&BackgroundSegmentationPayload::default_instance(), 2, 4271995410760013405U},
      {&BodyPosePayload::default_instance(), 2, 13433028526845950297U},
      {&CameraAnalysisPayload::default_instance(), 3, 14667452068810779352U},
      {&ColorAnalysisPayload::default_instance(), 2, 1844275917816562528U},
      {&CutAnalysisPayload::default_instance(), 2, 1154646240224019504U},
      {&EyeTrackingPayload::default_instance(), 2, 3799622619352742028U},
      {&ObjectDetectionPayload::default_instance(), 2, 1196916204558009834U},
      {&SceneSegmentationPayload::default_instance(), 2, 6678647188005437338U},
      {&TextOverlayPayload::default_instance(), 2, 9220839866201892276U},
  };
}

// All fields of a message and of those in it, as they are on the wire.
std::string Fields(const Descriptor& descriptor) {
  std::string text;
  for (int i = 0; i < descriptor.field_count(); ++i) {
    const FieldDescriptor& field = *descriptor.field(i);
    absl::StrAppend(&text, field.number(), " ", field.is_repeated() ? "repeated " : "", field.type_name(), " ",
                    field.name(), "\n");
    if (field.message_type() != nullptr) absl::StrAppend(&text, "(", Fields(*field.message_type()), ")");
  }
  return text;
}

// FNV-1a.
uint64_t Fingerprint(const std::string& text) {
  uint64_t hash = 14695981039346656037U;
  for (const char c : text) hash = (hash ^ static_cast<uint8_t>(c)) * 1099511628211U;
  return hash;
}

// Sets every field. Of the numbers with a fraction, the one that `*odd` counts down to becomes `value`.
void Fill(Message* message, float value, int* odd) {
  const Reflection& reflection = *message->GetReflection();
  for (int i = 0; i < message->GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor* const field = message->GetDescriptor()->field(i);
    const auto number = [&] { return (*odd)-- == 0 ? value : 0.5F; };
    switch (field->cpp_type()) {
      case FieldDescriptor::CPPTYPE_INT32:
        field->is_repeated() ? reflection.AddInt32(message, field, 7) : reflection.SetInt32(message, field, 7);
        break;
      case FieldDescriptor::CPPTYPE_INT64:
        field->is_repeated() ? reflection.AddInt64(message, field, 7) : reflection.SetInt64(message, field, 7);
        break;
      case FieldDescriptor::CPPTYPE_UINT32:
        field->is_repeated() ? reflection.AddUInt32(message, field, 7) : reflection.SetUInt32(message, field, 7);
        break;
      case FieldDescriptor::CPPTYPE_FLOAT:
        field->is_repeated() ? reflection.AddFloat(message, field, number())
                             : reflection.SetFloat(message, field, number());
        break;
      case FieldDescriptor::CPPTYPE_DOUBLE:
        field->is_repeated() ? reflection.AddDouble(message, field, number())
                             : reflection.SetDouble(message, field, number());
        break;
      case FieldDescriptor::CPPTYPE_BOOL:
        reflection.SetBool(message, field, true);
        break;
      case FieldDescriptor::CPPTYPE_STRING:
        reflection.SetString(message, field, "seven");
        break;
      case FieldDescriptor::CPPTYPE_MESSAGE:
        Fill(field->is_repeated() ? reflection.AddMessage(message, field) : reflection.MutableMessage(message, field),
             value, odd);
        break;
      default:
        FAIL() << "no payload has had such a field: " << field->full_name();
    }
  }
}

std::unique_ptr<Message> Filled(const Message& kind, float value = 0, int odd = -1) {
  std::unique_ptr<Message> message(kind.New());
  Fill(message.get(), value, &odd);
  return message;
}

absl::Status Decode(const Message& kind, const std::string& bytes) {
  const std::unique_ptr<Message> message(kind.New());
  return DecodePayload("sharpness", bytes, message.get());
}

TEST(FramePayloadTest, EveryPayloadComesBack) {
  for (const Known& known : AllPayloads()) {
    SCOPED_TRACE(known.message->GetTypeName());
    const std::unique_ptr<Message> message = Filled(*known.message), back(known.message->New());
    const std::string bytes = EncodePayload(*message);
    EXPECT_EQ(VersionOfForTest(bytes), known.version);
    const absl::Status status = DecodePayload("sharpness", bytes, back.get());
    EXPECT_TRUE(status.ok()) << status;
    EXPECT_EQ(back->SerializeAsString(), bytes);
    // Nothing was seen: a payload too.
    const std::unique_ptr<Message> empty(known.message->New());
    EXPECT_TRUE(Decode(*known.message, EncodePayload(*empty)).ok());
  }
}

TEST(FramePayloadTest, AnotherVersionIsRefusedByName) {
  for (const Known& known : AllPayloads()) {
    SCOPED_TRACE(known.message->GetTypeName());
    const std::string bytes = EncodePayload(*Filled(*known.message));
    for (const int version : {known.version + 1, known.version - 1, 1000000}) {
      ExpectVersionRefused(Decode(*known.message, WithVersionForTest(bytes, version)), version, known.version);
    }
    // Field 1 with another meaning and type: a later version may have changed anything but the header.
    const std::string foreign = WithVersionForTest(std::string("\x0b\x0c", 2), known.version + 1);
    ExpectVersionRefused(Decode(*known.message, foreign), known.version + 1, known.version);
  }
}

TEST(FramePayloadTest, WhatIsNoPayloadIsABadFrame) {
  for (const Known& known : AllPayloads()) {
    SCOPED_TRACE(known.message->GetTypeName());
    const std::string bytes = EncodePayload(*Filled(*known.message));
    for (size_t length = 0; length < bytes.size(); ++length) {
      EXPECT_EQ(GetReason(Decode(*known.message, bytes.substr(0, length))), "BAD_FRAME") << length;
    }
    EXPECT_EQ(GetReason(Decode(*known.message, bytes + "x")), "BAD_FRAME");
    EXPECT_EQ(GetReason(Decode(*known.message, "not a payload")), "BAD_FRAME");
    EXPECT_EQ(GetReason(Decode(*known.message, WithVersionForTest(bytes, -1))), "BAD_FRAME");
  }
}

TEST(FramePayloadTest, NumbersThatAreNoneAreABadFrameWhereverTheyStand) {
  int tried = 0;
  for (const Known& known : AllPayloads()) {
    SCOPED_TRACE(known.message->GetTypeName());
    for (int place = 0;; ++place) {
      int left = place;
      const std::unique_ptr<Message> message(known.message->New());
      Fill(message.get(), std::numeric_limits<float>::quiet_NaN(), &left);
      if (left >= 0) break;
      EXPECT_EQ(GetReason(Decode(*known.message, EncodePayload(*message))), "BAD_FRAME") << place;
      const float infinity = std::numeric_limits<float>::infinity();
      EXPECT_EQ(GetReason(Decode(*known.message, EncodePayload(*Filled(*known.message, infinity, place)))),
                "BAD_FRAME");
      ++tried;
    }
  }
  EXPECT_GT(tried, 30);
}

TEST(FramePayloadTest, AChangedMessageHasANewVersion) {
  for (const Known& known : AllPayloads()) {
    const std::string fields = Fields(*known.message->GetDescriptor());
    const int version = VersionOfForTest(EncodePayload(*Filled(*known.message)));
    EXPECT_TRUE(version == known.version && Fingerprint(fields) == known.fingerprint)
        << known.message->GetTypeName() << " has changed: raise its current_version, then write here " << version
        << " and " << Fingerprint(fields) << "U. Its fields are\n"
        << fields;
  }
}

TEST(FramePayloadTest, ABadPayloadNamesItsAnalyzer) {
  const absl::Status status = BadPayload("sharpness", "has no size");
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(GetReason(status), "BAD_FRAME");
  EXPECT_EQ(status.message(), "sharpness: a frame result has no size");
}

}  // namespace
}  // namespace reelsight::frame_payload
