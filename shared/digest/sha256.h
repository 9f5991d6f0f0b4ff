// SPDX-License-Identifier: Apache-2.0
//
// SHA-256 of bytes that come piece by piece. See FIPS 180-4.
#pragma once

#include <memory>
#include <string>
#include <string_view>

// OpenSSL's EVP_MD_CTX.
struct evp_md_ctx_st;

namespace reelsight::digest {

// Used by one thread at a time.
class Sha256 {
 public:
  Sha256();

  void Update(std::string_view bytes);
  // The hash of all bytes so far, 64 lower case hexadecimal digits. More may follow.
  std::string HexDigest() const;

 private:
  struct Free {
    void operator()(evp_md_ctx_st* context) const;
  };
  std::unique_ptr<evp_md_ctx_st, Free> context_;
};

}  // namespace reelsight::digest
