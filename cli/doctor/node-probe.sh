# Looks at a compute node and prints `key=value` lines. POSIX sh; whatever is missing is left out. $1: the endpoint's directory.
say() { printf '%s=%s\n' "$1" "$(printf '%s' "$2" | head -n 1)"; }
say host "$(uname -n)"
say kernel "$(uname -srm)"
say libc "$(getconf GNU_LIBC_VERSION 2>/dev/null || ldd --version 2>&1)"
say python "$(python3 --version 2>&1)"
say node "$(node --version 2>/dev/null)"
say clock "$(date +%s)"
say cores "$(nproc 2>/dev/null)"
say memory.kb "$(awk '/^MemTotal/ { print $2 }' /proc/meminfo 2>/dev/null)"
say limit.processes "$(awk '/^Max processes/ { print $3 }' /proc/self/limits 2>/dev/null)"
say limit.files "$(awk '/^Max open files/ { print $4 }' /proc/self/limits 2>/dev/null)"
say scratch "${TMPDIR:-/tmp}"
say scratch.kb "$(df -Pk "${TMPDIR:-/tmp}" 2>/dev/null | awk 'NR == 2 { print $4 }')"
if [ -n "$1" ] && [ -e "$1/config.yaml" ]; then say directory yes; fi
say end yes
