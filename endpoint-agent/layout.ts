/** Where things are in an endpoint's directory. All of it is private to its user. */
import { join } from "node:path";

export type EndpointLayout = {
  config: string;
  credentials: string;
  /** which process is the agent */
  lock: string;
  /** of a detached agent */
  log: string;
  state: string;
  journal: string;
  run: string;
  blocks: string;
  /** of managers */
  blockLogs: string;
  /** names the socket where it could not be in `run` */
  socketNote: string;
  /** key and certificate of the link with managers on other machines */
  linkIdentity: string;
  /** where they find this agent */
  linkNote: string;
  /** of managers */
  cache: string;
};

/** The files of an endpoint's directory; nothing is created. */
export function endpointLayout(dir: string): EndpointLayout {
  return {
    config: join(dir, "config.yaml"),
    credentials: join(dir, "credentials.json"),
    lock: join(dir, "agent.pid"),
    log: join(dir, "agent.log"),
    state: join(dir, "state"),
    journal: join(dir, "state", "journal"),
    run: join(dir, "run"),
    blocks: join(dir, "run", "blocks"),
    blockLogs: join(dir, "logs"),
    socketNote: join(dir, "run", "socket"),
    linkIdentity: join(dir, "state", "link.pem"),
    linkNote: join(dir, "state", "link-address"),
    cache: join(dir, "cache", "managers"),
  };
}
