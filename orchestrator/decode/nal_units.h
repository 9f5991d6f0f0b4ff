// SPDX-License-Identifier: Apache-2.0
//
// The units of H.264 and H.265 packets, as far as leaving packets out needs to know them.
#pragma once

#include <functional>

#include "orchestrator/decode/ffmpeg_handles.h"

namespace reelsight::orchestrator {

struct NalUnit {
  // Part of a coded picture.
  bool picture = false;
  // Of a picture that others may refer to.
  bool reference = true;
  // Of a picture after which nothing refers to what was before.
  bool instant_refresh = false;
};

// Calls `visit` for each unit. False, having called it for some or none, if the packet is damaged, of another codec, or
// not in the length-prefixed form of MP4 and Matroska.
bool ForEachNalUnit(const AVCodecParameters& codec, const AVPacket& packet,
                    const std::function<void(const NalUnit&)>& visit);

}  // namespace reelsight::orchestrator
