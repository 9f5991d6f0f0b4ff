// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/decode/ffmpeg_build.h"

#include "orchestrator/decode/ffmpeg_handles.h"

namespace reelsight::orchestrator {

std::string FfmpegVersion() { return av_version_info(); }

bool CanDecode(const std::string& codec) {
  const AVCodecDescriptor* descriptor = avcodec_descriptor_get_by_name(codec.c_str());
  return descriptor != nullptr && avcodec_find_decoder(descriptor->id) != nullptr;
}

}  // namespace reelsight::orchestrator
