/** What the shells load: each asks `farcall __complete` with the words up to the cursor. */

const BASH = `# farcall completion for bash
_farcall() {
  local line
  COMPREPLY=()
  while IFS= read -r line; do
    COMPREPLY+=("$line")
  done < <(farcall __complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
  if [[ \${#COMPREPLY[@]} -eq 1 && "\${COMPREPLY[0]}" == *= ]]; then compopt -o nospace; fi
}
complete -o default -F _farcall farcall`;

const ZSH = `# farcall completion for zsh
_farcall() {
  local -a suggestions
  suggestions=("\${(@f)$(farcall __complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  if [[ -n "$suggestions[1]" ]]; then
    compadd -- "\${suggestions[@]}"
  else
    _files
  fi
}
compdef _farcall farcall`;

const FISH = `# farcall completion for fish
function __farcall_complete
    set -l words (commandline -opc) (commandline -ct)
    farcall __complete -- $words[2..-1] 2>/dev/null
end
complete -c farcall -f -a '(__farcall_complete)'
complete -c farcall -n '__fish_seen_subcommand_from call map run' -F`;

/** The script for one shell. */
export function completionScript(shell: "bash" | "zsh" | "fish"): string {
  return { bash: BASH, zsh: ZSH, fish: FISH }[shell];
}
