/** Fetches the nats-server before the tests do, so that its time and its output are its own. */
import { ensureNatsServer } from "../deploy/nats/server.ts";

const { path, version, from } = await ensureNatsServer({ log: (line) => console.log(line) });
console.log(`nats-server ${version} (${from}): ${path}`);
