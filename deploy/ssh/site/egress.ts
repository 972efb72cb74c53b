/** Whether an agent at a site would reach the gateway, asked of the very code that it will run. */
import { z } from "zod";
import { ApiError } from "../../../protocol/errors.ts";
import type { SshSession } from "../channels.ts";
import { harmless } from "../prompter.ts";
import type { Installed } from "./install.ts";

const Reached = z.object({ proxy: z.string().nullable(), gateway: z.string().nullable(), nats: z.string().nullable() });
const Answer = z.object({ reached: z.array(Reached) });
export type Reached = z.infer<typeof Reached>;

const ASK_MS = 120_000;

/** Tries it, directly or through the configured proxy, else through the site's own. Returns the way that works. */
export async function checkEgress(
  session: SshSession,
  { installed, dir, proxy }: { installed: Installed; dir: string; proxy: string | undefined },
): Promise<Reached> {
  const program = `${installed.agent}/endpoint-agent/reach.${installed.extension}`;
  // By standard input: it may hold a password, and argument lists are for all to see.
  const argv = [installed.node, program, "--dir", dir, ...(proxy === undefined ? [] : ["--proxy", "-"])];
  const { stdout, stderr } = await session.exec(argv, { stdin: proxy ?? "", timeoutMs: ASK_MS });
  return wayOut(stdout, stderr);
}

/** Reads the answer. Throws SITE_UNFIT with every way that was tried and where it ended. */
export function wayOut(stdout: string, stderr: string): Reached {
  const parsed = Answer.safeParse(lastJson(stdout));
  if (!parsed.success) {
    throw new ApiError(
      "SITE_UNFIT",
      `the site could not be asked for its way out: ${harmless(stderr || stdout)
        .slice(-500)
        .trim()}`,
    );
  }
  const way = parsed.data.reached.find(({ gateway, nats }) => gateway === null && nats === null);
  if (way) return way;
  const tried = parsed.data.reached.map(({ proxy, gateway, nats }) => {
    const by = proxy === null ? "directly" : `through ${new URL(proxy).host}`;
    return gateway === null ? `${by}, NATS: ${nats}` : `${by}, gateway: ${gateway}`;
  });
  const remedy = "say --gateway with an address that the site reaches, or --proxy with its HTTP proxy";
  throw new ApiError(
    "SITE_UNFIT",
    harmless(`an agent there does not reach this gateway (${tried.join("; ")}); ${remedy}`),
  );
}

function lastJson(text: string): unknown {
  try {
    return JSON.parse(text.trim().split("\n").at(-1) ?? "");
  } catch {
    return undefined;
  }
}
