/** `driver: { type: ssh }`: an agent that runs elsewhere drives a site through a connection to its login node. */
import { type Driver, type DriverParts, forwardOf, type OpenDriver, placesIn } from "../../endpoint-agent/driver.ts";
import { ApiError } from "../../protocol/errors.ts";
import { createTransfer } from "./block-transfer.ts";
import { scriptBounded } from "./bounded.ts";
import { putNodeManager } from "./driver-manager.ts";
import { keepSession } from "./keep-session.ts";
import { type KeptWay, keepWay } from "./keep-way.ts";
import { openPersonDoor } from "./person-door.ts";
import { sshRunCommand } from "./run-command.ts";
import { type LoginSession, openSession } from "./session.ts";
import { quote } from "./shell.ts";
import { enterOwnDirectory } from "./site/own-directory.ts";
import { createWayBack } from "./way-back.ts";

const COMMAND_MS = 60_000;
/** How long the end of an agent may take for what it leaves at the site. */
const CLOSE_MS = 10_000;

/** Opens it: by a key where that is enough, else a person is waited for. */
export const openSshDriver: OpenDriver = async ({ config, settings, layout, endpoint, env, log, signal }) => {
  let way: KeptWay | undefined;
  const kept = await keepSession({
    host: config.host,
    loginCommand: `farcall endpoint login ${settings.name}`,
    open: (prompter) =>
      openSession(config.host, {
        env,
        configFile: config.configFile,
        jump: config.via,
        prompter,
        acceptNewHostKey: false,
        signal,
      }),
    openDoor: (login, why) => openPersonDoor(layout.run, login, why),
    onOpen: async (session) => way?.reopen(session),
    onTrouble: (trouble) => log.warn({ trouble }, "the site is out of reach"),
    signal,
  });
  const { user, dir, path } = await factsOf(await kept.current(), { config, endpoint });
  log.info({ site: config.host, dir, user }, "the site is driven over SSH");
  const places = placesIn(dir);
  const transfer = createTransfer({ session: kept.current, layout, places });
  const putManager = async () => putNodeManager(await kept.current(), { config, settings, endpoint, env, log, signal });
  let nodeManager = await putManager();
  await transfer.sweep().catch((err) => log.warn({ err }, "files of earlier blocks stay at the site"));
  return {
    ...transfer,
    user,
    get nodeManager() {
      return nodeManager;
    },
    places,
    async push(block, which) {
      // Scratch file systems remove what is old.
      if (nodeManager && which !== "configurations" && !(await isThere(await kept.current(), nodeManager))) {
        nodeManager = await putManager();
      }
      await transfer.push(block, which);
    },
    run: sshRunCommand(kept.current, { PATH: path }),
    ready: kept.ready,
    get trouble() {
      return kept.trouble ?? way?.trouble ?? null;
    },
    get connected() {
      return kept.trouble === null;
    },
    async door(local, onMoved) {
      const forward = forwardOf(settings);
      if (!forward || local.kind !== "tls") return local;
      const { address, port } = forward;
      const { python, init } = settings.workers;
      const onTrouble = (err: Error) => log.warn({ err }, "managers do not come through");
      const back = createWayBack({ address, port, local, python, init, dir });
      way = await keepWay(await kept.current(), { back, local, onMoved, onTrouble });
      return way.dial;
    },
    async close() {
      const late = new Promise<void>((resolve) => setTimeout(resolve, CLOSE_MS).unref());
      await Promise.race([transfer.pull([]).catch(() => {}), late]);
    },
  } satisfies Driver;
};

async function isThere(session: LoginSession, files: readonly string[]): Promise<boolean> {
  const text = files.map((file) => `[ -e ${quote(file)} ]`).join(" && ");
  const { code } = await scriptBounded(session, text, { timeoutMs: COMMAND_MS });
  // Whoever does not answer has not said that they are gone.
  return code !== 1;
}

/** Makes the endpoint's directories there and asks who and where one is; PATH is that of logins, who find the scheduler. */
async function factsOf(
  session: LoginSession,
  { config, endpoint }: Pick<DriverParts, "config" | "endpoint">,
): Promise<{ dir: string; user: string; path: string }> {
  const base = config.dir === undefined ? `"$HOME"/.farcall/driven/${endpoint}` : quote(`${config.dir}/${endpoint}`);
  const { code, stdout, stderr } = await scriptBounded(
    session,
    `${enterOwnDirectory(base)}
mkdir -p blocks logs cache && pwd -P && id -un || exit 1
if (. /etc/profile) >/dev/null 2>&1; then farcall_path=$PATH; . /etc/profile >/dev/null 2>&1; PATH=$PATH:$farcall_path; fi
printf '%s\\n' "$PATH"`,
    { timeoutMs: COMMAND_MS },
  );
  const [dir, user, path] = stdout.trim().split("\n");
  if (code === 0 && dir && user && path) return { dir, user, path };
  const why = stderr.trim() || "it does not say where it is";
  throw new ApiError("SITE_UNFIT", `${session.name}: no directory for blocks: ${why}`);
}
