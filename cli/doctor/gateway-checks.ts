/** What `farcall doctor` asks the gateway. */
import type { CliContext } from "../context.ts";
import { duration, oneLine } from "../output/text.ts";
import type { Check, Finding } from "./checks.ts";

const MAX_SKEW_MS = 5_000;

/** The checks that need a gateway, in order: the later ones mean nothing when an earlier one fails. */
export const GATEWAY_CHECKS: readonly Check[] = [
  { name: "gateway", look: checkGateway },
  { name: "database, wire", look: checkReady },
  { name: "clock", look: checkClock },
  { name: "endpoints", look: checkEndpoints },
];

async function checkGateway({ connect }: CliContext): Promise<Omit<Finding, "check">> {
  const me = await (await connect()).call("me");
  const found = `version ${me.version}, durability ${me.durability}; you are ${oneLine(me.owner)} (${me.scopes.join(", ")})`;
  if (me.durability === "disk") return { state: "ok", found };
  return { state: "warning", found, next: "A power cut may lose the last moments; `durability: disk` does not." };
}

async function checkReady({ connect }: CliContext): Promise<Omit<Finding, "check">> {
  const { ok, store, nats } = await (await connect()).call("ready");
  const found = `store ${oneLine(store)}, nats ${oneLine(nats)}`;
  if (ok) return { state: "ok", found };
  return { state: "wrong", found, next: "Look in the gateway's log; `farcall status` shows whether nats-server runs." };
}

async function checkClock({ connect }: CliContext): Promise<Omit<Finding, "check">> {
  const before = Date.now();
  const { now } = await (await connect()).call("me");
  const skew = now - (before + Date.now()) / 2;
  const found = `${duration(Math.abs(skew))} from the gateway's`;
  if (Math.abs(skew) < MAX_SKEW_MS) return { state: "ok", found };
  const next = "Nothing depends on it, but times that are shown are the gateway's; set the clock by NTP.";
  return { state: "warning", found, next };
}

async function checkEndpoints({ connect }: CliContext): Promise<Omit<Finding, "check">> {
  const { items } = await (await connect()).endpoints.list({ limit: 1000 });
  if (items.length === 0) {
    return { state: "wrong", found: "none", next: "`farcall endpoint configure` makes one." };
  }
  const troubled = items.filter((row) => row.state !== "online" || row.summary?.trouble);
  const found = items.map(
    (row) => `${row.name} ${row.state}${row.summary?.trouble ? ` (${oneLine(row.summary.trouble)})` : ""}`,
  );
  if (troubled.length === 0) return { state: "ok", found: found.join(", ") };
  const state = troubled.length === items.length ? "wrong" : "warning";
  return {
    state,
    found: found.join(", "),
    next: "`farcall endpoint start <name>` on its machine; `farcall endpoint logs` says more.",
  };
}
