// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/source/redact_uri.h"

#include <algorithm>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace reelsight::orchestrator {
namespace {

absl::string_view ToAbsl(std::string_view text) { return {text.data(), text.size()}; }

// A browser takes `\` for `/`; libcurl does not. Where an authority begins, either counts.
bool IsSlash(char c) { return c == '/' || c == '\\'; }

bool IsControl(char c) { return absl::ascii_iscntrl(static_cast<unsigned char>(c)); }

// Length of a run of slashes from `start` on, and of control characters among them, which a browser ignores; 0 if there
// is no slash.
size_t SlashRun(std::string_view text, size_t start) {
  size_t end = start;
  bool has_slash = false;
  for (; end < text.size() && (IsSlash(text[end]) || IsControl(text[end])); ++end) {
    has_slash = has_slash || IsSlash(text[end]);
  }
  return has_slash ? end - start : 0;
}

// Length of the scheme at the start of `text`, if a colon and a slash follow; else 0.
size_t SchemeLength(std::string_view text) {
  if (text.empty() || !absl::ascii_isalpha(static_cast<unsigned char>(text[0]))) return 0;
  const size_t end =
      std::find_if_not(text.begin(), text.end(),
                       [](unsigned char c) { return absl::ascii_isalnum(c) || c == '+' || c == '.' || c == '-'; }) -
      text.begin();
  return end < text.size() && text[end] == ':' && SlashRun(text, end + 1) > 0 ? end : 0;
}

// Where the authority at the start of `text` ends. libcurl ends it at these only, so what follows a `\` may still be
// part of user or password.
size_t AuthorityLength(std::string_view text) { return std::min(text.find_first_of("/?#"), text.size()); }

// Length of what ends with the last `@` of an authority, which may be percent-encoded, once or more.
size_t UserInfoLength(std::string_view authority) {
  for (size_t i = authority.size(); i-- > 0;) {
    if (authority[i] == '@') return i + 1;
    if (authority.substr(i, 2) != "40") continue;
    size_t start = i;
    while (start >= 2 && authority.substr(start - 2, 2) == "25") start -= 2;
    if (start >= 1 && authority[start - 1] == '%') return i + 2;
  }
  return 0;
}

// True for what no server would be named, for instance `user:pass` out of `user:pass/word@host`.
bool HasBadPort(std::string_view authority) {
  const size_t bracket = authority.rfind(']');
  const size_t colon = authority.rfind(':');
  if (colon == std::string_view::npos || (bracket != std::string_view::npos && colon < bracket)) return false;
  return !std::all_of(authority.begin() + static_cast<ptrdiff_t>(colon) + 1, authority.end(),
                      [](unsigned char c) { return absl::ascii_isdigit(c); });
}

// How to read a text.
enum class Form { kPath, kFile, kS3, kNoScheme, kUrl };

Form FormOf(std::string_view text, std::string_view scheme) {
  if (scheme == "file") return Form::kFile;
  if (scheme == "s3") return Form::kS3;
  if (!scheme.empty()) return Form::kUrl;
  const size_t slashes = SlashRun(text, 0);
  if (slashes == 1 && text[0] == '/') return text.find(":/") == std::string_view::npos ? Form::kPath : Form::kUrl;
  return slashes > 1 || text.find(":/") != std::string_view::npos ? Form::kUrl : Form::kNoScheme;
}

// Where query or fragment begin.
size_t QueryStart(std::string_view text, Form form) {
  if (form == Form::kPath || form == Form::kFile) return text.size();
  const size_t start = std::min(text.find_first_of("?#"), text.size());
  if (form == Form::kUrl) return start;
  // Both may be part of an object's or a file's name.
  return text.find('=', start) == std::string_view::npos ? text.size() : start;
}

// Places where an authority may begin.
std::vector<size_t> AuthorityStarts(std::string_view text, Form form) {
  std::vector<size_t> starts;
  const size_t leading = SlashRun(text, 0);
  if (leading == 0 || text[0] == '\\') starts.push_back(0);
  if (leading > 1) starts.push_back(leading);
  for (size_t colon = text.find(':'); colon != std::string_view::npos; colon = text.find(':', colon + 1)) {
    const size_t slashes = SlashRun(text, colon + 1);
    // The third slash of file:///path belongs to the path.
    const bool in_path = form == Form::kFile && slashes != 2 && starts.size() == 1;
    if (slashes > 0 && !in_path) starts.push_back(colon + 1 + slashes);
    if (form == Form::kS3) break;
  }
  return starts;
}

}  // namespace

std::string RedactUri(std::string_view uri) {
  while (!uri.empty() && (IsControl(uri[0]) || uri[0] == ' ')) uri.remove_prefix(1);
  const size_t scheme_length = SchemeLength(uri);
  std::string text =
      absl::StrCat(absl::AsciiStrToLower(ToAbsl(uri.substr(0, scheme_length))), ToAbsl(uri.substr(scheme_length)));
  const Form form = FormOf(text, std::string_view(text).substr(0, scheme_length));
  text.resize(QueryStart(text, form));
  std::string shown;
  size_t copied = 0;
  for (const size_t start : AuthorityStarts(text, form)) {
    // Within what was taken out.
    if (start < copied) continue;
    const std::string_view rest = std::string_view(text).substr(start);
    const size_t user_info = UserInfoLength(rest.substr(0, AuthorityLength(rest)));
    const std::string_view host = rest.substr(user_info, AuthorityLength(rest) - user_info);
    const bool unreadable = form == Form::kUrl && start > 0 && HasBadPort(host);
    if (user_info == 0 && !unreadable) continue;
    absl::StrAppend(&shown, ToAbsl(text).substr(copied, start - copied));
    copied = unreadable ? text.size() : start + user_info;
    if (unreadable || start == 0) absl::StrAppend(&shown, unreadable ? "***" : "***@");
  }
  absl::StrAppend(&shown, ToAbsl(text).substr(copied));
  std::replace_if(shown.begin(), shown.end(), IsControl, '?');
  return shown;
}

}  // namespace reelsight::orchestrator
