// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace reelsight::model_store {

// models/catalog.textproto as it was when the program was built.
extern const char* const kBuiltinCatalog;

}  // namespace reelsight::model_store
