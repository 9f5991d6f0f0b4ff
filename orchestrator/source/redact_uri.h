// SPDX-License-Identifier: Apache-2.0
//
// URIs as messages, logs and reports may show them.
#pragma once

#include <string>
#include <string_view>

namespace reelsight::orchestrator {

// `uri` without what may be a secret: user and password, query and fragment, wherever libcurl or a browser would find
// them, also where the text is no valid URI or lacks a scheme. Rather removes too much: of a text without a scheme
// that is no absolute path, all before an `@` becomes `***`. Absolute paths and s3 keys stay as they are. Control
// characters become `?`.
std::string RedactUri(std::string_view uri);

}  // namespace reelsight::orchestrator
