/** Puts the manager in Node.js, and Node.js where the site has none, where the nodes of a site see them. */
import type { DriverParts } from "../../endpoint-agent/driver.ts";
import { ApiError } from "../../protocol/errors.ts";
import type { SshSession } from "./channels.ts";
import { placesAt } from "./site/files.ts";
import { install, type Reporter } from "./site/install.ts";
import { localNode } from "./site/local-node.ts";
import { probeSite } from "./site/look.ts";
import { chooseNode } from "./site/node-choice.ts";

export type ManagerParts = Pick<DriverParts, "config" | "settings" | "env" | "log" | "signal"> & {
  /** the endpoint's id, of which its directory there is named */
  endpoint: string;
};

const SAY_MS = 3_000;

/** What starts it there; undefined where the one in Python is wanted, or no Node.js runs and none was asked for. */
export async function putNodeManager(
  session: SshSession,
  { config, settings, endpoint, env, log, signal }: ManagerParts,
): Promise<readonly string[] | undefined> {
  if (settings.manager === "python") return undefined;
  const facts = await probeSite(session, config.dir);
  const local = localNode();
  const choice = config.node === undefined ? chooseNode(facts, local) : undefined;
  if (choice?.from === "nowhere" && settings.manager === undefined) {
    log.info({ why: choice.why }, "nodes run the manager in Python");
    return undefined;
  }
  if (choice?.from === "nowhere") {
    throw new ApiError("SITE_UNFIT", `manager: node: ${choice.why.split(";")[0]}; manager: python runs there`);
  }
  // As deployments have it: an endpoint of either kind finds what the other has brought.
  const { data } = placesAt(facts.home, { name: endpoint, base: config.dir });
  const report = reporterOf(log);
  const { node, agent, extension } = await install(session, {
    facts,
    data,
    node: config.node,
    local,
    env,
    signal,
    report,
  });
  return [node, `${agent}/endpoint-agent/manager/main.${extension}`];
}

/** `busy` tells whoever waits for the agent's start to wait on (cli/endpoint/agent-process.ts). */
function reporterOf(log: Pick<DriverParts["log"], "info">): Reporter {
  let what = "";
  let saidAt = 0;
  const say = (text: string) => {
    saidAt = performance.now();
    log.info({ busy: true }, `at the site: ${text}`);
  };
  return {
    step(text) {
      what = text;
      say(text);
    },
    progress(done, all) {
      if (performance.now() - saidAt > SAY_MS) say(`${what}, ${megabytes(done)} of ${megabytes(all)} MB sent`);
    },
    done: (text) => log.info(`at the site: ${text}`),
  };
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(1);
}
