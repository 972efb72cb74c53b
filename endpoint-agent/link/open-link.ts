/** Opens the door for an endpoint's managers: a unix socket for those of this machine, TLS for those of others. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { ApiError } from "../../protocol/errors.ts";
import { nowMs } from "../clock.ts";
import type { Settings } from "../config.ts";
import type { EndpointLayout } from "../layout.ts";
import type { Log } from "../log.ts";
import type { ManagerListener } from "../manager-link.ts";
import { type ListenerOptions, listenForManagers, socketPath } from "../websocket-listener.ts";
import { linkAddress } from "./address.ts";
import { keepIdentity } from "./certificate.ts";

export type OpenLinkOptions = Pick<ListenerOptions, "admit" | "onLink"> & {
  settings: Pick<Settings, "provider" | "link">;
  layout: EndpointLayout;
  runtimeDir: string | undefined;
  log: Log;
};

/** An earlier agent may still be closing its port. */
const PORT_TRIES = 10;
const PORT_RETRY_MS = 500;
/** What goes on for long is said so often. */
const SAY_EVERY_MS = 60_000;

/** Listens where the endpoint's managers will look for it, now and after a restart. */
export async function openLink(options: OpenLinkOptions): Promise<ManagerListener> {
  const { settings, layout, runtimeDir, admit, onLink } = options;
  let saidAt = Number.NEGATIVE_INFINITY;
  const onError = (err: Error) => {
    if (nowMs() - saidAt < SAY_EVERY_MS) return;
    saidAt = nowMs();
    options.log.warn({ err }, "a manager could not be let in");
  };
  if (settings.provider.type === "local") {
    const remembered = readNote(layout.socketNote);
    const path = socketPath(layout.run, { remembered, runtimeDir });
    writeFileSync(layout.socketNote, path, { mode: 0o600 });
    return listenForManagers({ at: { kind: "unix", path }, admit, onLink, onError });
  }
  const identity = keepIdentity(layout.linkIdentity);
  const host = await linkAddress(settings.link);
  const remembered = readNote(layout.linkNote);
  const listen = (port: number) =>
    listenForManagers({ at: { kind: "tls", host, port, identity }, admit, onLink, onError }).catch((cause) => {
      throw new ApiError("CONFIG_INVALID", `cannot listen on ${host}:${port} (link): ${cause.message}`, { cause });
    });
  const port = settings.link.port ?? Number(remembered?.split(" ")[1] ?? 0);
  const listener = await repeated(() => listen(port), port === 0 ? 1 : PORT_TRIES).catch((error) => {
    if (settings.link.port !== undefined) throw error;
    // Its managers are told (redirect.ts), unless they cannot read their files any more: these end at their deadline.
    options.log.warn({ err: error }, "the port of the last run is taken: another one is used");
    return listen(0);
  });
  const { dial } = listener;
  if (dial.kind === "tls") {
    const note = `${dial.host} ${dial.port}`;
    if (remembered !== undefined && remembered.split(" ")[0] !== dial.host) {
      options.log.warn({ before: remembered, now: note }, "the agent's address has changed: its managers are told");
    }
    writeFileSync(layout.linkNote, note, { mode: 0o600 });
    options.log.info({ address: note }, "listening for managers");
  }
  return listener;
}

async function repeated<T>(act: () => Promise<T>, tries: number): Promise<T> {
  for (let left = tries - 1; ; left--) {
    try {
      return await act();
    } catch (error) {
      if (left <= 0) throw error;
      await sleep(PORT_RETRY_MS);
    }
  }
}

function readNote(path: string): string | undefined {
  return existsSync(path) ? readFileSync(path, "utf8") : undefined;
}
