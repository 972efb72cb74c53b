/** Debian's package, unpacked without root: sid's is new enough and needs only a libc of 2.34. */
import { mkdir, readdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { findOnPath, run } from "../command.ts";
import type { FetchWay } from "./server.ts";

const MIRROR = "http://deb.debian.org/debian";
const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";

/** apt with a private sources list, lists and cache: the machine's own apt state is neither read nor changed. */
export function debianWay(mirror = MIRROR): FetchWay {
  return {
    name: "Debian's package",
    advice:
      "on Debian: install nats-server from sid (`apt-get download nats-server`, `dpkg-deb -x`); older releases' are too old",
    async fetch(directory, { env }) {
      const apt = await findOnPath("apt-get", env);
      if (!apt || !(await findOnPath("dpkg-deb", env))) throw new Error("apt-get and dpkg-deb are not installed");
      await stat(KEYRING).catch(() => {
        throw new Error(`${KEYRING}, which checks the archive's signature, is not installed`);
      });
      const options = await privateOptions(directory, mirror);
      await run(apt, [...options, "update"], { timeoutMs: 120_000, env, cwd: directory });
      await run(apt, [...options, "download", "nats-server"], { timeoutMs: 120_000, env, cwd: directory });
      const file = (await readdir(directory)).find((name) => name.endsWith(".deb"));
      if (!file) throw new Error("apt-get download left no package");
      const root = join(directory, "root");
      await run("dpkg-deb", ["-x", file, root], { timeoutMs: 60_000, env, cwd: directory });
      for (const place of ["usr/sbin", "usr/bin"]) {
        const path = join(root, place, "nats-server");
        if ((await stat(path).catch(() => undefined))?.isFile()) return path;
      }
      throw new Error(`${file} holds no nats-server`);
    },
  };
}

async function privateOptions(directory: string, mirror: string): Promise<string[]> {
  const at = (name: string) => join(directory, name);
  await mkdir(at("lists/partial"), { recursive: true });
  await mkdir(at("cache/archives/partial"), { recursive: true });
  await writeFile(at("sources.list"), `deb [signed-by=${KEYRING}] ${mirror} sid main\n`);
  const settings = {
    "Dir::Etc::SourceList": at("sources.list"),
    "Dir::Etc::SourceParts": "/dev/null",
    "Dir::Etc::Preferences": "/dev/null",
    "Dir::Etc::PreferencesParts": "/dev/null",
    "Dir::State::Lists": at("lists"),
    "Dir::Cache": at("cache"),
    "APT::Sandbox::User": "",
    "Acquire::Languages": "none",
    "Acquire::Retries": "0",
    "Acquire::http::Timeout": "6",
    "Acquire::https::Timeout": "6",
    // The default is to report an unreachable archive as a warning and go on with nothing.
    "APT::Update::Error-Mode": "any",
  };
  return Object.entries(settings).flatMap(([name, value]) => ["-o", `${name}=${value}`]);
}
