// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/decode/nal_units.h"

#include <cstdint>
#include <span>

namespace reelsight::orchestrator {
namespace {

// ITU-T H.264, 7.3.1 and table 7-1.
NalUnit ParseH264(std::span<const uint8_t> unit) {
  const int type = unit[0] & 0x1F;
  const int reference_idc = unit[0] >> 5 & 3;
  return {.picture = type >= 1 && type <= 5, .reference = reference_idc != 0, .instant_refresh = type == 5};
}

// ITU-T H.265, 7.3.1.2 and table 7-1. Even types below 16 are of pictures that none of the same sub-layer refers to.
NalUnit ParseHevc(std::span<const uint8_t> unit, bool one_sub_layer) {
  const int type = unit[0] >> 1 & 0x3F;
  return {.picture = type < 32,
          .reference = !one_sub_layer || type >= 16 || type % 2 == 1,
          .instant_refresh = type == 19 || type == 20};
}

}  // namespace

bool ForEachNalUnit(const AVCodecParameters& codec, const AVPacket& packet,
                    const std::function<void(const NalUnit&)>& visit) {
  // The decoder configuration record (ISO/IEC 14496-15) begins with its version, 1.
  if (codec.extradata == nullptr || codec.extradata_size < 1 || codec.extradata[0] != 1) return false;
  const bool hevc = codec.codec_id == AV_CODEC_ID_HEVC;
  size_t length_bytes = 0;
  bool one_sub_layer = false;
  if (codec.codec_id == AV_CODEC_ID_H264 && codec.extradata_size >= 7) {
    length_bytes = (codec.extradata[4] & 3) + 1;
  } else if (hevc && codec.extradata_size >= 23) {
    length_bytes = (codec.extradata[21] & 3) + 1;
    one_sub_layer = (codec.extradata[21] >> 3 & 7) == 1;
  } else {
    return false;
  }
  std::span<const uint8_t> rest(packet.data, packet.size);
  while (!rest.empty()) {
    if (rest.size() < length_bytes) return false;
    size_t length = 0;
    for (size_t i = 0; i < length_bytes; ++i) length = length << 8 | rest[i];
    rest = rest.subspan(length_bytes);
    if (length > rest.size() || length < (hevc ? 2 : 1)) return false;
    visit(hevc ? ParseHevc(rest.first(length), one_sub_layer) : ParseH264(rest.first(length)));
    rest = rest.subspan(length);
  }
  return true;
}

}  // namespace reelsight::orchestrator
