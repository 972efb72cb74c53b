/** Certificates are renewed while the gateway runs: it looks at the files again and again, and when it is asked to. */
import type { Logger } from "pino";
import { loop } from "../loops.ts";
import type { Listener } from "./server.ts";

const LOOK_MS = 2_000;

/** Looks until the signal ends it. What it returns looks at once. */
export function watchCertificate(
  server: Pick<Listener, "reload">,
  { signal, log }: { signal: AbortSignal; log: Logger },
): () => Promise<void> {
  let told = "";
  /** Who renews a certificate may be half-way: the old one stays, and each kind of damage is told of once. */
  const look = async () => {
    try {
      if (await server.reload()) log.info("the certificate was read again");
      told = "";
    } catch (err) {
      const { message } = err as Error;
      if (message !== told) log.error({ err }, "the certificate cannot be read again; the old one stays");
      told = message;
    }
  };
  void loop("certificate", () => look().then(() => undefined), { everyMs: LOOK_MS, signal, log });
  return look;
}
