// SPDX-License-Identifier: Apache-2.0
#include "cli/completion.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"

namespace reelsight::cli {
namespace {

using Value = FlagDescription::Value;

std::string AllFlags(const CommandDescription& command) {
  std::vector<std::string> names;
  for (const FlagDescription& flag : command.flags) names.insert(names.end(), flag.names.begin(), flag.names.end());
  return absl::StrJoin(names, " ");
}

std::string CommandNames(const std::vector<CommandDescription>& commands) {
  return absl::StrJoin(commands, " ",
                       [](std::string* out, const CommandDescription& command) { out->append(command.name); });
}

// What bash does for the value of a flag.
std::string BashAction(const FlagDescription& flag) {
  const std::string words = absl::StrJoin(flag.words, " ");
  switch (flag.value) {
    case Value::kFile:
      return "_reelsight_files -f";
    case Value::kFolder:
      return "_reelsight_files -d";
    case Value::kWord:
      return absl::StrCat("COMPREPLY=($(compgen -W \"", words, "\" -- \"$word\"))");
    case Value::kWordList:
      return absl::StrCat("compopt -o nospace 2>/dev/null; COMPREPLY=($(compgen -P \"${word%\"${word##*,}\"}\" -W \"",
                          words, "\" -- \"${word##*,}\"))");
    case Value::kPrefix:
      return absl::StrCat("compopt -o nospace 2>/dev/null; COMPREPLY=($(compgen -W \"", words, "\" -- \"$word\"))");
    case Value::kNone:
    case Value::kText:
      break;
  }
  return ":";
}

std::string Bash(const std::vector<CommandDescription>& commands) {
  std::string cases;
  for (const CommandDescription& command : commands) {
    std::string values;
    for (const FlagDescription& flag : command.flags) {
      if (flag.value == Value::kNone) continue;
      absl::StrAppend(&values, "        ", absl::StrJoin(flag.names, "|"), ") ", BashAction(flag), "; return ;;\n");
    }
    absl::StrAppend(&cases, "    ", command.name, ")\n      case \"$previous\" in\n", values,
                    "        *) ;;\n      esac\n      flags=\"", AllFlags(command), "\"\n      words=\"",
                    absl::StrJoin(command.words, " "), "\" ;;\n");
  }
  return absl::StrCat(
      "# bash completion for reelsight\n"
      "# Names with blanks are one word each; readline quotes them.\n"
      "_reelsight_files() {\n"
      "  local IFS=$'\\n'\n"
      "  compopt -o filenames 2>/dev/null\n"
      "  COMPREPLY=($(compgen \"$1\" -- \"$word\"))\n"
      "}\n"
      "_reelsight() {\n"
      "  local word=\"${COMP_WORDS[COMP_CWORD]}\" previous=\"${COMP_WORDS[COMP_CWORD-1]}\" flags words\n"
      "  COMPREPLY=()\n"
      "  # readline parts --flag=value at the equals sign.\n"
      "  if [[ $word == = ]]; then\n"
      "    word=\"\"\n"
      "  elif [[ $previous == = && $COMP_CWORD -ge 3 ]]; then\n"
      "    previous=\"${COMP_WORDS[COMP_CWORD-2]}\"\n"
      "  fi\n"
      "  if [[ $COMP_CWORD -eq 1 ]]; then\n"
      "    COMPREPLY=($(compgen -W \"",
      CommandNames(commands),
      " --help --version\" -- \"$word\"))\n"
      "    return\n"
      "  fi\n"
      "  case \"${COMP_WORDS[1]}\" in\n",
      cases,
      "    *) return ;;\n"
      "  esac\n"
      "  if [[ $word == -* ]]; then\n"
      "    COMPREPLY=($(compgen -W \"$flags\" -- \"$word\"))\n"
      "  elif [[ -n $words ]]; then\n"
      "    COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
      "  else\n"
      "    _reelsight_files -f\n"
      "  fi\n"
      "}\n"
      "complete -F _reelsight reelsight\n");
}

// Text inside single quotes and the brackets of zsh's _arguments.
std::string ZshText(const std::string& text) {
  return absl::StrReplaceAll(text, {{"'", "'\\''"}, {"[", "\\["}, {"]", "\\]"}, {":", "\\:"}});
}

// What zsh does for the value of a flag.
std::string ZshAction(const FlagDescription& flag) {
  const std::string words = absl::StrJoin(flag.words, " ");
  switch (flag.value) {
    case Value::kFile:
      return "_files";
    case Value::kFolder:
      return "_files -/";
    case Value::kWord:
      return absl::StrCat("(", words, ")");
    case Value::kWordList:
      return absl::StrCat("_sequence compadd - ", words);
    case Value::kPrefix:
      return absl::StrCat("compadd -S \"\" - ", words);
    case Value::kNone:
    case Value::kText:
      break;
  }
  return " ";
}

std::string Zsh(const std::vector<CommandDescription>& commands) {
  std::string list, cases;
  for (const CommandDescription& command : commands) {
    absl::StrAppend(&list, "    '", command.name, ":", ZshText(command.help), "'\n");
    absl::StrAppend(&cases, "    ", command.name, ")\n      _arguments \\\n");
    for (const FlagDescription& flag : command.flags) {
      for (const std::string& name : flag.names) {
        // With an equals sign zsh takes both --flag value and --flag=value.
        const bool both = flag.value != Value::kNone && name.rfind("--", 0) == 0;
        absl::StrAppend(&cases, "        '*", name, both ? "=[" : "[", ZshText(flag.help), "]");
        if (flag.value != Value::kNone) absl::StrAppend(&cases, ":value:", ZshAction(flag));
        absl::StrAppend(&cases, "' \\\n");
      }
    }
    absl::StrAppend(&cases, "        '*:argument:",
                    command.words.empty() ? "_files" : absl::StrCat("(", absl::StrJoin(command.words, " "), ")"),
                    "' ;;\n");
  }
  return absl::StrCat(
      "#compdef reelsight\n"
      "_reelsight() {\n"
      "  local -a commands\n"
      "  commands=(\n",
      list,
      "  )\n"
      "  if (( CURRENT == 2 )); then\n"
      "    _describe 'command' commands\n"
      "    return\n"
      "  fi\n"
      "  local command=$words[2]\n"
      "  shift words\n"
      "  (( CURRENT-- ))\n"
      "  case $command in\n",
      cases,
      "  esac\n"
      "}\n"
      "if [ \"$funcstack[1]\" = \"_reelsight\" ]; then _reelsight \"$@\"; else compdef _reelsight reelsight; fi\n");
}

std::string FishText(const std::string& text) {
  return absl::StrCat("'", absl::StrReplaceAll(text, {{"\\", "\\\\"}, {"'", "\\'"}}), "'");
}

// What fish does for the value of a flag.
std::string FishAction(const FlagDescription& flag) {
  const std::string words = absl::StrJoin(flag.words, " ");
  switch (flag.value) {
    case Value::kNone:
      return "";
    case Value::kFile:
      return " -r -F";
    case Value::kFolder:
      return " -x -a '(__fish_complete_directories (commandline -ct))'";
    case Value::kWord:
    case Value::kPrefix:
      return absl::StrCat(" -x -a ", FishText(words));
    case Value::kWordList:
      return absl::StrCat(" -x -a ", FishText(absl::StrCat("(__fish_append , ", words, ")")));
    case Value::kText:
      break;
  }
  return " -x";
}

std::string Fish(const std::vector<CommandDescription>& commands) {
  std::string script = "# fish completion for reelsight\n";
  for (const CommandDescription& command : commands) {
    absl::StrAppend(&script, "complete -c reelsight -n __fish_use_subcommand -f -a ", command.name, " -d ",
                    FishText(command.help), "\n");
    const std::string here = absl::StrCat("complete -c reelsight -n '__fish_seen_subcommand_from ", command.name, "'");
    if (!command.words.empty()) {
      absl::StrAppend(&script, here, " -f -a ", FishText(absl::StrJoin(command.words, " ")), "\n");
    }
    for (const FlagDescription& flag : command.flags) {
      absl::StrAppend(&script, here);
      for (const std::string& name : flag.names) {
        absl::StrAppend(&script, name.rfind("--", 0) == 0 ? " -l " : " -s ",
                        name.substr(name.rfind("--", 0) == 0 ? 2 : 1));
      }
      absl::StrAppend(&script, FishAction(flag));
      absl::StrAppend(&script, " -d ", FishText(flag.help), "\n");
    }
  }
  return script;
}

}  // namespace

absl::StatusOr<std::string> CompletionScript(const std::string& shell,
                                             const std::vector<CommandDescription>& commands) {
  if (shell == "bash") return Bash(commands);
  if (shell == "zsh") return Zsh(commands);
  if (shell == "fish") return Fish(commands);
  return absl::InvalidArgumentError(absl::StrCat("`", shell, "` is none of bash, zsh, fish"));
}

}  // namespace reelsight::cli
