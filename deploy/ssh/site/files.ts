/** What is written at a site: where, and with which content. Pure. */
import { EXIT_DO_NOT_RESTART } from "../../../endpoint-agent/manager-config.ts";
import { quote, quoteAll } from "../shell.ts";

export type SitePlaces = {
  /** agents and Node.js, shared by all endpoints of this user at the site */
  data: string;
  /** of this endpoint */
  endpoint: string;
};

/** The directories at a site: below `base` where one is given, else where the XDG specification has them. */
export function placesAt(home: string, { name, base }: { name: string; base?: string | undefined }): SitePlaces {
  if (base !== undefined) return { data: `${base}/share`, endpoint: `${base}/endpoints/${name}` };
  return { data: `${home}/.local/share/farcall`, endpoint: `${home}/.local/state/farcall/endpoints/${name}` };
}

export type Launch = {
  node: string;
  /** the directory of this version of the agent */
  agent: string;
  /** `ts` where the sources run as they are */
  extension: "ts" | "js";
  places: SitePlaces;
  /** shell lines before the agent: `module load …` */
  init: readonly string[];
};

/** `launch.sh`: runs the agent; given `forever`, it starts it again when it crashed. */
export function launchScript({ node, agent, extension, places, init }: Launch): string {
  const argv = [
    node,
    "--max-semi-space-size=16",
    `${agent}/endpoint-agent/main.${extension}`,
    "--dir",
    places.endpoint,
  ];
  const command = quoteAll(argv);
  return `#!/bin/sh
# Written by farcall endpoint deploy; it is written anew by each.
umask 077
cd ${quote(places.endpoint)} || exit 1
# This shell keeps its terminal, if it has one: tmux hangs up on a session that has let go of it.
exec 3>&1 </dev/null >>agent.log 2>&1
# What the site sets up for logins: where the scheduler's commands are, and \`module\`.
farcall_path=$PATH
if (. /etc/profile) >/dev/null 2>&1; then . /etc/profile >/dev/null 2>&1; fi
PATH=$PATH:$farcall_path
export PATH
NODE_COMPILE_CACHE=${quote(`${places.data}/node-compile-cache`)}
export NODE_COMPILE_CACHE
${init.join("\n")}
run() {
  ${command} 3>&- &
  # It is named before \`stop\` is looked for, so that whoever writes \`stop\` and looks for it then misses nothing.
  echo $! >starting
  [ ! -e stop ] || kill $!
  wait $!
}
# By itself it becomes the agent, so that systemd's signals reach it.
[ "$1" = forever ] || exec ${command} 3>&-
wait=1
while :; do
  run
  code=$?
  # 0: it was told to end; ${EXIT_DO_NOT_RESTART}: it would be refused again.
  case $code in 0 | ${EXIT_DO_NOT_RESTART}) exit $code ;; esac
  sleep $wait
  # It was told to stop while it was down.
  [ ! -e stop ] || exit 0
  [ $wait -ge 60 ] || wait=$((wait * 2))
done
`;
}

/** The unit for the user's systemd. Blocks of the agent are processes of their own and outlive it. */
export function unitFile({ places }: Pick<Launch, "places">): string {
  return `[Unit]
Description=Farcall endpoint agent
# A gateway that is away for long is no reason to give up.
StartLimitIntervalSec=0

[Service]
ExecStart=/bin/sh "${places.endpoint.replace(/[%$]/g, "$&$&").replace(/["\\]/g, "\\$&")}/launch.sh"
KillMode=process
Restart=on-failure
RestartSec=5
RestartPreventExitStatus=${EXIT_DO_NOT_RESTART}

[Install]
WantedBy=default.target
`;
}
