/** What comes in is bounded before it is parsed, and every refusal says what would be right. */
import { connect } from "node:net";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { JSON_LIMITS, parseJson } from "../../gateway/http/json-guard.ts";
import { encodeFrame, FRAME_MEDIA_TYPE } from "../../protocol/frame.ts";
import { newId } from "../../protocol/ids.ts";
import { createEndpoint, registerFunction, startTestGateway, type TestGateway } from "./support/gateway.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

describe("parsing JSON from outside", () => {
  it("gives what JSON.parse gives, for every JSON text within the limits", () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 6 }), (text) => {
        fc.pre(!/__proto__|\d{16}/.test(text));
        expect(parseJson(bytes(text))).toEqual(JSON.parse(text));
      }),
    );
  });

  it("never throws anything but BAD_REQUEST, whatever the bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (noise) => {
        try {
          parseJson(noise);
        } catch (error) {
          expect(error).toMatchObject({ code: "BAD_REQUEST" });
        }
      }),
    );
  });

  it("refuses depth, keys and __proto__, also when it is escaped; not the same characters in strings", () => {
    const nested = (depth: number) => bytes("[".repeat(depth) + "]".repeat(depth));
    const keyed = (count: number) => bytes(`{${Array.from({ length: count }, (_, i) => `"k${i}":1`).join(",")}}`);
    expect(parseJson(nested(JSON_LIMITS.depth))).toBeDefined();
    expect(() => parseJson(nested(JSON_LIMITS.depth + 1))).toThrow(/deeper/);
    expect(() => parseJson(nested(1_000_000))).toThrow(/deeper/);
    expect(parseJson(keyed(JSON_LIMITS.keysPerObject))).toBeDefined();
    expect(() => parseJson(keyed(JSON_LIMITS.keysPerObject + 1))).toThrow(/keys/);
    expect(() => parseJson(bytes('{"a":[{"__proto__":{}}]}'))).toThrow(/__proto__/);
    expect(() => parseJson(bytes('{"a":{"\\u005f_proto__":1}}'))).toThrow(/__proto__/);
    expect(parseJson(bytes('{"a":"__proto__ {[:\\" \\\\"}'))).toEqual({ a: '__proto__ {[:" \\' });
  });

  it("keeps the digits of integers that a double cannot hold", () => {
    const text = '{"args":[12345678901234567890,1.5,9007199254740993,-1]}';
    expect(JSON.stringify(parseJson(bytes(text)))).toBe(text);
  });
});

describe("requests that are none", () => {
  it("are 400 or 404 with an error of the table, and the gateway goes on", async () => {
    await using gateway = await startTestGateway();
    const { hostname, port } = new URL(gateway.url);
    const raw = (text: string, then: "wait" | "end" = "wait") =>
      new Promise<string>((resolve) => {
        const socket = connect(Number(port), hostname, () => (then === "end" ? socket.end(text) : socket.write(text)));
        let answer = "";
        socket.on("data", (bytes) => {
          answer += String(bytes);
        });
        socket.on("close", () => resolve(answer));
      });
    for (const [line, host] of [
      ["GET /v1/tasks/%zz HTTP/1.1", `127.0.0.1:${port}`],
      ["GET /v1/tasks/%00 HTTP/1.1", `127.0.0.1:${port}`],
      ["GET /v1/me HTTP/1.1", "a b"],
      ["GET \\\\x HTTP/1.1", `127.0.0.1:${port}`],
      ["GET /v1/../../etc/passwd HTTP/1.1", `127.0.0.1:${port}`],
      [`GET /${"a".repeat(20_000)} HTTP/1.1`, `127.0.0.1:${port}`],
      ["NONSENSE", ""],
    ] as const) {
      const answer = await raw(
        `${line}\r\nHost: ${host}\r\nAuthorization: Bearer ${gateway.token}\r\nConnection: close\r\n\r\n`,
      );
      expect([line.slice(0, 40), Number(answer.split(" ")[1])]).toEqual([
        line.slice(0, 40),
        expect.toSatisfy((code) => code >= 400 && code < 500),
      ]);
      expect(answer).toMatch(/\{"error":\{"code":"(BAD_REQUEST|NOT_FOUND)"/);
    }
    for (const length of [50, 200_000]) {
      const head = `POST /v1/tasks HTTP/1.1\r\nHost: ${hostname}\r\nAuthorization: Bearer ${gateway.token}`;
      const cut = await raw(`${head}\r\nContent-Length: ${length}\r\n\r\nhalf`, "end");
      expect(cut === "" || cut.includes("400")).toBe(true);
    }
    expect((await gateway.request("GET", "/healthz")).status).toBe(200);
  });
});

describe("bodies", () => {
  let gateway: TestGateway;
  beforeAll(async () => {
    gateway = await startTestGateway({ config: { limits: { maxBatchBytes: 100_000, maxBodyBytes: 50_000 } } });
  });
  afterAll(() => gateway[Symbol.asyncDispose]());

  const errorOf = async (answer: Response) => ((await answer.json()) as { error: Record<string, unknown> }).error;

  it("above the limit are 413 by their announced length, before they are sent", async () => {
    const answer = await gateway.request("POST", "/v1/endpoints", { body: new Uint8Array(50_001) });
    expect(answer.status).toBe(413);
    expect(await errorOf(answer)).toMatchObject({ code: "TOO_LARGE", details: { maxBytes: 50_000 } });
  });

  it("without a length are cut at the limit, and the memory of the gateway does not grow with them", async () => {
    const before = process.memoryUsage().rss;
    let sent = 0;
    const chunk = new Uint8Array(64 * 1024).fill(0x5b);
    const endless = new ReadableStream<Uint8Array>({
      pull(controller) {
        sent += chunk.length;
        if (sent > 1024 ** 3) controller.close();
        else controller.enqueue(chunk);
      },
    });
    const sending = fetch(`${gateway.url}/v1/tasks`, {
      method: "POST",
      headers: { authorization: `Bearer ${gateway.token}`, "content-type": FRAME_MEDIA_TYPE },
      body: endless,
      duplex: "half",
    } as RequestInit);
    // The server may close the connection while the client still sends: either is a refusal.
    const status = await sending.then(
      (answer) => answer.status,
      () => 413,
    );
    expect(status).toBe(413);
    expect(sent).toBeLessThan(256 * 1024 ** 2);
    expect(process.memoryUsage().rss - before).toBeLessThan(64 * 1024 ** 2);
  });

  it("that come in many pieces arrive whole", async () => {
    const fn = await registerFunction(gateway);
    const { id: endpoint } = await createEndpoint(gateway, "in-pieces");
    const id = newId();
    const args = new Uint8Array(90_000).map((_, i) => i % 251);
    const header = { specs: [{ function: fn, endpoint }], tasks: [{ id, encoding: "raw", length: args.length }] };
    const headers = { "content-type": FRAME_MEDIA_TYPE };
    const answer = await gateway.request("POST", "/v1/tasks", { headers, body: encodeFrame(header, [args]) });
    expect(await answer.json()).toEqual({ accepted: 1, tasks: [] });
    expect((await gateway.store.payloadOf(id, "arguments"))?.bytes).toEqual(args);
  });

  it("that do not fit the schema are 400 naming the field, the value and what is expected", async () => {
    const cases: [string, string, unknown, string][] = [
      ["POST", "/v1/endpoints", { name: "no spaces please" }, "body.name"],
      ["POST", "/v1/endpoints", { name: "a", colour: "red" }, "body.colour"],
      ["POST", "/v1/tokens", { name: "n", scopes: ["root"] }, "body.scopes.0"],
      ["POST", "/v1/tasks", { specs: [], tasks: [] }, "body.specs"],
      ["POST", "/v1/tasks/cancel", {}, "body"],
      ["GET", "/v1/tasks?limit=1001", undefined, "query.limit"],
      ["GET", "/v1/tasks?state=lost", undefined, "query.state"],
      ["GET", "/v1/tasks?statte=failed", undefined, "query.statte"],
    ];
    for (const [method, path, body, field] of cases) {
      const answer = await gateway.request(method, path, body === undefined ? {} : { body });
      expect([path, answer.status]).toEqual([path, 400]);
      expect(answer.headers.get("farcall-request-id")).toBeTruthy();
      const error = await errorOf(answer);
      expect(error).toMatchObject({ code: "BAD_REQUEST", retryable: false });
      expect(String((error.details as { field: string }).field)).toMatch(new RegExp(`^${field.replace(/\./g, "\\.")}`));
    }
  });

  it("that are no frames are 400 BAD_FRAME, bombs in a frame's header 400 too", async () => {
    const send = (body: Uint8Array) =>
      gateway.request("POST", "/v1/tasks", { body, headers: { "content-type": FRAME_MEDIA_TYPE } });
    expect(await errorOf(await send(new Uint8Array(5)))).toMatchObject({ code: "BAD_FRAME" });
    expect(await errorOf(await send(new Uint8Array(100).fill(255)))).toMatchObject({ code: "BAD_FRAME" });
    const deep = encodeFrame(JSON.parse(`${"[".repeat(100)}${"]".repeat(100)}`));
    expect(await errorOf(await send(deep))).toMatchObject({ code: "BAD_REQUEST" });
    const proto = encodeFrame(JSON.parse('{"specs":[{"__proto__":1}],"tasks":[]}'));
    expect((await send(proto)).status).toBe(400);
  });

  it("from somebody without a token are not read at all", async () => {
    let pulled = 0;
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        pulled++;
        controller.enqueue(new Uint8Array(64 * 1024));
      },
    });
    const sending = fetch(`${gateway.url}/v1/tasks`, { method: "POST", body, duplex: "half" } as RequestInit);
    const status = await sending.then(
      (answer) => answer.status,
      () => 401,
    );
    expect(status).toBe(401);
    expect(pulled).toBeLessThan(2000);
  });
});
