/** How long a person waits: from `farcall up` to the result of the first call. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { directoriesOf } from "../../deploy/directories.ts";
import { Farcall } from "../../sdk/index.ts";
import type { Workload } from "../workload.ts";

const PROGRAM = fileURLToPath(new URL("../../bin/farcall.mjs", import.meta.url));

export const firstResult: Workload = {
  name: "first-result",
  about: "seconds from the start of `farcall up --detach` to the first result, nothing running before",
  async run({ dir, natsServer }) {
    const home = join(dir, "home");
    mkdirSync(home);
    const env = {
      ...process.env,
      FARCALL_NATS_SERVER: natsServer,
      XDG_CONFIG_HOME: join(home, "config"),
      XDG_STATE_HOME: join(home, "state"),
    };
    const started = performance.now();
    try {
      await farcallCommand(["up", "--detach"], env);
      const profile = JSON.parse(readFileSync(join(directoriesOf(env).config, "profile.json"), "utf8")) as {
        url: string;
        token: string;
      };
      await using farcall = new Farcall({ url: profile.url, token: profile.token });
      const answer = await farcall.function(() => 42, { name: "first" })();
      const seconds = (performance.now() - started) / 1000;
      if (answer !== 42) throw new Error(`the first call returned ${String(answer)}`);
      return { first_result_s: seconds };
    } finally {
      await farcallCommand(["down"], env);
    }
  },
};

async function farcallCommand(args: readonly string[], env: NodeJS.ProcessEnv): Promise<void> {
  const child = spawn(process.execPath, [PROGRAM, ...args], { env, stdio: ["ignore", "ignore", "inherit"] });
  const [code] = (await once(child, "exit")) as [number | null];
  if (code !== 0) throw new Error(`farcall ${args.join(" ")} ended with ${code}`);
}
