/** The script of a block, as it is submitted: one for all schedulers. Pure; tests run it under real shells. */
import { shellWord } from "../../shell-word.ts";
import type { Dialect, Job } from "./dialect.ts";
import { exitFilePath } from "./exit-file.ts";

export type ScriptRequest = {
  job: Job;
  /** the block's own directory */
  dir: string;
  env: Readonly<Record<string, string>>;
  /** the launcher's argv */
  launch: readonly string[];
};

/**
 * No login shell: people's own profiles may be slow, or wait for locks that two hundred blocks would fight over. Signals: USR1 says that the
 * walltime ends soon, and becomes a drain of the managers; USR2 is SGE's way to say TERM.
 */
export function batchScript(dialect: Pick<Dialect, "directives">, request: ScriptRequest): string {
  const { job, dir, env, launch } = request;
  const seconds = job.walltimeMs === null ? "" : String(Math.ceil(job.walltimeMs / 1000));
  return `${[
    "#!/bin/bash",
    ...dialect.directives(job),
    "",
    `farcall_file=${shellWord(exitFilePath(dir))}`,
    // Slurm's name of a node need not be its host name.
    "farcall_host=$SLURMD_NODENAME",
    '[ -n "$farcall_host" ] || farcall_host=$(uname -n)',
    "farcall_start=$(date +%s)",
    "farcall_note() {",
    "  printf 'incarnation=%s\\nhost=%s\\nstart=%s\\nend=%s\\ncode=%s\\ncomplete=1\\n' \\",
    '    "$farcall_host-$$-$farcall_start" "$farcall_host" "$farcall_start" "$1" "$2" >"$farcall_file.$$" &&',
    '    mv -f "$farcall_file.$$" "$farcall_file"',
    "}",
    "farcall_note '' ''",
    // Of the command that submitted it, not for what runs here.
    "unset LC_ALL SLURM_TIME_FORMAT",
    ...siteProfile(job.options.prologue),
    ...exports(env),
    ...(seconds === "" ? [] : [`export FARCALL_ENDS_AT=$((farcall_start + ${seconds}))`]),
    ...prologue(job.options.prologue),
    "farcall_child=",
    "farcall_code=127",
    "trap 'farcall_signal=1; kill -USR1 $farcall_child 2>/dev/null' USR1",
    "trap 'farcall_signal=1; kill -TERM $farcall_child 2>/dev/null' TERM INT USR2",
    `${launch.map(shellWord).join(" ")} &`,
    "farcall_child=$!",
    // A signal cuts `wait` short; only the end of the child ends it. A shell that has forgotten the child says 127.
    "while :; do",
    "  farcall_signal=",
    '  wait "$farcall_child"',
    "  farcall_status=$?",
    '  [ "$farcall_status" = 127 ] || farcall_code=$farcall_status',
    '  [ -n "$farcall_signal" ] && [ "$farcall_status" -gt 128 ] || break',
    "done",
    // To SGE 99 means start me again, and 100 hold me for ever.
    'case "$farcall_code" in 99 | 100) farcall_code=1 ;; esac',
    'farcall_note "$(date +%s)" "$farcall_code"',
    'exit "$farcall_code"',
  ].join("\n")}\n`;
}

function exports(env: Readonly<Record<string, string>>): string[] {
  return Object.entries(env)
    .filter(([name, value]) => /^[A-Za-z_][A-Za-z0-9_]*$/.test(name) && !value.includes("\0"))
    .map(([name, value]) => `export ${name}=${shellWord(value)}`);
}

/** Where clusters define `module`; the machine's profile, not the user's. */
function siteProfile(text: string): string[] {
  return text === "" ? [] : ["[ ! -r /etc/profile ] || . /etc/profile"];
}

function prologue(text: string): string[] {
  return text === "" ? [] : ["# prologue of the endpoint's configuration", text, "# end of the prologue"];
}
