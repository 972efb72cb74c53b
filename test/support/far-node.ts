/** A node behind a network that can be cut without a word: commands in a network namespace, at the other end of a veth pair. */
import { execFileSync } from "node:child_process";
import { renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Why there can be none here, or undefined. */
export function whyNoFarNode(): string | undefined {
  const name = `fcprobe${process.pid}`;
  try {
    execFileSync("ip", ["netns", "add", name], { stdio: "ignore" });
    execFileSync("ip", ["netns", "del", name], { stdio: "ignore" });
    return undefined;
  } catch {
    return "needs root and iproute2";
  }
}

/** Makes it; `near` is the address of this side, which nobody else can reach. */
export function makeFarNode() {
  const id = `${process.pid}`.slice(-5);
  const [space, here, there] = [`fc-${id}`, `fca${id}`, `fcb${id}`];
  const near = `10.213.${Number(id) % 250}.1`;
  const far = near.replace(/1$/, "2");
  const ip = (...args: string[]) => execFileSync("ip", args, { stdio: "pipe" });
  ip("netns", "add", space);
  ip("link", "add", here, "type", "veth", "peer", "name", there, "netns", space);
  ip("addr", "add", `${near}/30`, "dev", here);
  ip("link", "set", here, "up");
  ip("-n", space, "addr", "add", `${far}/30`, "dev", there);
  ip("-n", space, "link", "set", there, "up");
  ip("-n", space, "link", "set", "lo", "up");
  return {
    near,
    /** Whatever this command starts, runs there. */
    move(bin: string, command: string) {
      renameSync(join(bin, command), join(bin, `${command}.here`));
      const text = `#!/bin/sh\nexec ip netns exec ${space} ${join(bin, `${command}.here`)} "$@"\n`;
      writeFileSync(join(bin, command), text, { mode: 0o755 });
    },
    /** No packet, no FIN, no reset. */
    cut: () => ip("-n", space, "link", "set", there, "down"),
    mend: () => ip("-n", space, "link", "set", there, "up"),
    remove() {
      ip("link", "del", here);
      ip("netns", "del", space);
    },
  };
}
