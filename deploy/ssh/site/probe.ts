/** What is at a site, from what the probe prints. Pure. */
import { ApiError } from "../../../protocol/errors.ts";
import { harmless } from "../prompter.ts";

export type Libc = { kind: "glibc" | "musl"; version: string } | { kind: "unknown" };

export type SiteFacts = {
  os: string;
  arch: string;
  kernel: string;
  host: string;
  user: string;
  home: string;
  libc: Libc;
  /** programs by name, with their paths */
  programs: Readonly<Record<string, string>>;
  /** commands of batch schedulers and launchers, with their paths */
  commands: Readonly<Record<string, string>>;
  /** the batch system whose commands are there, as `provider.type` has it */
  scheduler: string | undefined;
  /** all whose commands are there */
  schedulers: string[];
  node: string | undefined;
  python: string | undefined;
  /** processes of the user's systemd stay when nobody is logged in */
  lingers: boolean;
  /** how far the site's clock is ahead of this one */
  clockOffsetMs: number;
  freeBytes: number | undefined;
  fileSystem: string | undefined;
  /** the file system is one that compute nodes usually have too */
  shared: boolean;
  writable: boolean;
  proxy: string | undefined;
  /** of one user's processes, and of one process's files; undefined: none, or not said */
  limits: { processes: number | undefined; files: number | undefined };
  /** logind ends what a user leaves running */
  killsLeftover: boolean;
  quota: { usedBytes: number; limitBytes: number } | undefined;
  /** what its own name leads to there */
  address: string | undefined;
  /** its networks' interfaces, as `ib0=10.1.2.3` */
  interfaces: string[];
};

/** The site says whole seconds that have passed. */
const HALF_SECOND_MS = 500;
/** File systems that exist to be shared. */
const SHARED = /^(nfs|lustre|gpfs|beegfs|fhgfs|ceph|afs|panfs|wekafs|orangefs|pvfs2|smb2?|cifs|fuse\.?gluster.*)/i;

/** Reads the probe's lines. `midpointMs` is the local time at which it ran. Throws SITE_UNFIT when it did not come to its end. */
export function parseProbe(text: string, midpointMs: number): SiteFacts {
  const said = new Map<string, string>();
  for (const line of text.split("\n")) {
    const at = line.indexOf("=");
    const value = harmless(line.slice(at + 1)).trim();
    if (at > 0 && value !== "") said.set(line.slice(0, at), value);
  }
  if (said.get("end") !== "yes") {
    throw new ApiError(
      "SITE_UNFIT",
      `the site's shell did not run the probe to its end; it printed: ${harmless(text.slice(-300))}`,
    );
  }
  const group = (prefix: string) =>
    Object.fromEntries(
      [...said].flatMap(([key, value]) => (key.startsWith(prefix) ? [[key.slice(prefix.length), value]] : [])),
    );
  const commands = group("scheduler.");
  const kb = Number(said.get("disk.kb"));
  const fileSystem = said.get("disk.type");
  return {
    os: said.get("os") ?? "unknown",
    arch: said.get("arch") ?? "unknown",
    kernel: said.get("kernel") ?? "unknown",
    host: said.get("host") ?? "unknown",
    user: said.get("user") ?? "unknown",
    home: said.get("home") ?? "/",
    libc: libcOf(said.get("libc") ?? ""),
    programs: group("path."),
    commands,
    scheduler: schedulerOf(commands, said.get("qstat") ?? ""),
    schedulers: schedulersOf(commands, said.get("qstat") ?? ""),
    node: /^v\d+\.\d+\.\d+/.exec(said.get("node") ?? "")?.[0].slice(1),
    python: /^Python (\d+\.\d+\.\d+)/.exec(said.get("python") ?? "")?.[1],
    lingers: said.get("systemd") === "user" && said.get("linger") === "Linger=yes",
    clockOffsetMs: said.has("clock") ? Number(said.get("clock")) * 1_000 + HALF_SECOND_MS - midpointMs : 0,
    freeBytes: said.has("disk.kb") && Number.isFinite(kb) ? kb * 1024 : undefined,
    fileSystem,
    shared: fileSystem !== undefined && SHARED.test(fileSystem),
    writable: said.get("writable") === "yes",
    proxy: proxyOf(group("env.")),
    limits: { processes: countOf(said.get("limit.processes")), files: countOf(said.get("limit.files")) },
    killsLeftover: said.get("logind.kills") === "b true",
    quota: quotaOf(said.get("quota") ?? ""),
    address: said.get("address"),
    interfaces: (said.get("addresses") ?? "").split(" ").filter((word) => word !== ""),
  };
}

/** An address that means this machine to each that uses it. */
export function isLoopback(address: string): boolean {
  return /^(127\.|::1$|::ffff:127\.)/i.test(address);
}

/** A count, or undefined for `unlimited` and anything else. */
export function countOf(text: string | undefined): number | undefined {
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined;
}

/** A line of `quota -w` or `lfs quota -q`: file system, kilobytes, quota, limit; `*` marks what is exceeded, 0 is no limit. */
export function quotaOf(line: string): { usedBytes: number; limitBytes: number } | undefined {
  const [used, quota, limit] = line
    .trim()
    .split(/\s+/)
    .slice(1, 4)
    .map((word) => countOf(word.replace(/\*$/, "")));
  const most = limit || quota;
  return used === undefined || !most ? undefined : { usedBytes: used * 1024, limitBytes: most * 1024 };
}

/** From `glibc 2.36`, `ldd (GNU libc) 2.17` or `musl libc (x86_64)`; the version follows on a line of its own there. */
export function libcOf(text: string): Libc {
  if (/musl/i.test(text)) return { kind: "musl", version: /\d+\.\d+(\.\d+)?/.exec(text)?.[0] ?? "" };
  // The last number of the line: the distribution's own stands before it, and `2.11.3` has three parts.
  const version = /(?:libc|ldd).*?(?<![\d.])(\d+(?:\.\d+)+)\s*$/i.exec(text)?.[1];
  return version ? { kind: "glibc", version } : { kind: "unknown" };
}

/** The batch system of a site, by the commands that only it has. */
export function schedulerOf(commands: Readonly<Record<string, string>>, qstatVersion: string): string | undefined {
  return schedulersOf(commands, qstatVersion)[0];
}

/** All whose commands are there, the likeliest first: some sites have wrappers, or another one's commands left over. */
export function schedulersOf(commands: Readonly<Record<string, string>>, qstatVersion: string): string[] {
  const { sbatch, bsub, condor_submit, qsub, qconf, msub, flux } = commands;
  const pbs = /pbs_version|OpenPBS|PBSPro/i.test(qstatVersion) ? "pbs" : "torque";
  const found = [
    sbatch && "slurm",
    bsub && "lsf",
    condor_submit && "htcondor",
    qsub && qconf && "sge",
    // Moab stands in front of Torque: what it does not see it does not schedule.
    msub && "moab",
    qsub && !qconf && pbs,
    // Slurm and PBS sites have it for use within jobs, too.
    flux && "flux",
  ];
  return found.filter((each): each is string => Boolean(each));
}

/** Whether `version` is `least` or newer: `2.28` against `2.17`. */
export function isAtLeast(version: string, least: string): boolean {
  const [a, b] = [version, least].map((text) => text.split(".").map(Number));
  for (let i = 0; i < (b as number[]).length; i++) {
    const difference = (a?.[i] ?? 0) - (b?.[i] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return true;
}

/** The site's proxy as its environment says; without a scheme it is an HTTP proxy, as curl reads it. */
export function proxyOf(env: Readonly<Record<string, string>>): string | undefined {
  const found = env.https_proxy || env.HTTPS_PROXY || env.http_proxy || env.HTTP_PROXY;
  return !found || found.includes("://") ? found || undefined : `http://${found}`;
}
