/** Which Node.js an agent at a site runs on. Pure. */
import { isAtLeast, type SiteFacts } from "./probe.ts";

/** The oldest that runs the agent. */
export const OLDEST_NODE = "22.19.0";
/** Where nothing newer than this machine's is known to be. */
const RELEASE_FOR_OLD_LIBC = "22.19.0";

/** The Node.js that runs this program. */
export type LocalNode = {
  path: string;
  version: string;
  os: string;
  arch: string;
  /** it brings its libraries with it, as the official builds do */
  portable: boolean;
};

export type NodeChoice =
  | { from: "site"; path: string; version: string }
  | { from: "here"; path: string; version: string }
  | { from: "release"; version: string; variant: string; unofficial: boolean }
  | { from: "nowhere"; why: string };

const ARCHITECTURES: Readonly<Record<string, string>> = {
  x86_64: "x64",
  amd64: "x64",
  aarch64: "arm64",
  arm64: "arm64",
  ppc64le: "ppc64le",
  s390x: "s390x",
};

/** The site's own where it is new enough, else this machine's binary where it fits, else a release that does. */
export function chooseNode(site: SiteFacts, local: LocalNode): NodeChoice {
  const own = site.programs.node;
  if (own && site.node && isAtLeast(site.node, OLDEST_NODE)) return { from: "site", path: own, version: site.node };
  const arch = ARCHITECTURES[site.arch];
  if (site.os !== "Linux" || !arch) {
    return {
      from: "nowhere",
      why: `there is no Node.js for ${site.os} on ${site.arch}; install ${OLDEST_NODE} or newer there and say --node <path>`,
    };
  }
  const { libc } = site;
  if (libc.kind === "musl") {
    return { from: "release", version: local.version, variant: `linux-${arch}-musl`, unofficial: true };
  }
  if (libc.kind === "glibc" && isAtLeast(libc.version, "2.28")) {
    const fits = local.portable && local.os === "linux" && local.arch === arch;
    if (fits) return { from: "here", path: local.path, version: local.version };
    return { from: "release", version: local.version, variant: `linux-${arch}`, unofficial: false };
  }
  if (libc.kind === "glibc" && isAtLeast(libc.version, "2.17") && arch === "x64") {
    return { from: "release", version: RELEASE_FOR_OLD_LIBC, variant: "linux-x64-glibc-217", unofficial: true };
  }
  const what = libc.kind === "glibc" ? `glibc ${libc.version}` : "a libc that is not known";
  return {
    from: "nowhere",
    why: `no Node.js runs on ${what} (${site.arch}); let the agent run here: \`farcall endpoint configure <name> --driver ssh\`, with the Python manager on the nodes`,
  };
}
