/** The other process of the raw measurements: answers HTTP, NATS and its own standard input, as fast as it can. */
import { serve } from "@hono/node-server";
import { Hono } from "hono";
import { connect } from "nats";

const [what, natsUrl] = process.argv.slice(2);

if (what === "http") {
  const app = new Hono().post("/", async (context) =>
    context.json({ bytes: (await context.req.arrayBuffer()).byteLength }),
  );
  serve({ fetch: app.fetch, hostname: "127.0.0.1", port: 0 }, ({ port }) => console.log(port));
} else if (what === "nats") {
  const connection = await connect({ servers: natsUrl ?? "" });
  connection.subscribe("raw", { callback: (_error, message) => void message.respond(message.data) });
  await connection.flush();
  console.log("ready");
} else {
  process.stdin.on("data", (bytes) => process.stdout.write(bytes));
  process.stdin.on("end", () => process.exit(0));
}
