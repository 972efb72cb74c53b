import { describe, expect, it } from "vitest";
import { createListing } from "../../sdk/api/listing.ts";
import { readSse } from "../../sdk/api/logs.ts";
import { buildPath } from "../../sdk/http/request.ts";
import { useSmallGateway } from "./support/client.ts";

const pair = useSmallGateway();

describe("farcall.tasks", () => {
  it("waits for a result by id, and throws what the task threw", async () => {
    const { farcall } = pair;
    const good = farcall.function((x: number) => new Date(x)).submit(5);
    const bad = farcall
      .function(() => {
        throw new RangeError("far");
      })
      .submit();
    await Promise.all([good.accepted, bad.accepted]);
    expect(await farcall.tasks.result(good.id)).toEqual(new Date(5));
    await expect(farcall.tasks.result(bad.id)).rejects.toMatchObject({ code: "USER_ERROR", remoteType: "RangeError" });
  });

  it("makes a retry's id itself, so that the request can be repeated", async () => {
    const { gateway, farcall } = pair;
    const bodies: { id: string }[] = [];
    gateway.intercept = (request, response, path) => {
      if (!path.endsWith("/retry")) return false;
      bodies.push(JSON.parse(gateway.lastBody.toString()));
      if (bodies.length === 1) request.socket.destroy();
      else response.writeHead(202).end(JSON.stringify({ id: bodies.at(-1)?.id }));
      return true;
    };
    const { id } = await farcall.tasks.retry("0192");
    expect(bodies).toEqual([{ id }, { id }]);
  });

  it("does not repeat what might be carried out twice", async () => {
    const { gateway, farcall } = pair;
    let requests = 0;
    gateway.intercept = (request, _, path) => {
      if (path !== "/v1/endpoints") return false;
      requests++;
      request.socket.destroy();
      return true;
    };
    await expect(farcall.endpoints.create("laptop")).rejects.toMatchObject({
      code: "UNAVAILABLE",
      message: expect.stringContaining("it is not known whether the request was carried out"),
    });
    expect(requests).toBe(1);
  });

  it("follows output to its end, opening a broken stream anew without repeating", async () => {
    const { gateway, farcall } = pair;
    let streams = 0;
    const line = (event: string, data: unknown) => `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
    gateway.intercept = (_, response, path) => {
      if (!path.endsWith("/logs")) return false;
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.write(line("output", { stream: "stdout", offset: 0, text: "one\n" }));
      if (streams++ === 0) setTimeout(() => response.destroy(), 20);
      else {
        response.write(line("output", { stream: "stdout", offset: 4, text: "two\n" }));
        response.write(line("output", { stream: "stderr", offset: 0, text: "oh\n" }));
        response.end(line("end", { state: "succeeded" }));
      }
      return true;
    };
    const chunks = [];
    for await (const { stream, text } of farcall.tasks.follow("0192")) chunks.push([stream, text]);
    expect(chunks).toEqual([
      ["stdout", "one\n"],
      ["stdout", "two\n"],
      ["stderr", "oh\n"],
    ]);
    expect(streams).toBe(2);
  });

  it("gives live output of bytes once each after a break, whatever pieces it is sent in, and says what is missing", async () => {
    const sent = (offset: number, bytes: number[]) =>
      `event: output\ndata: ${JSON.stringify({ stream: "stdout", offset, base64: Buffer.from(bytes).toString("base64") })}\n\n`;
    const { gateway, farcall } = pair;
    let streams = 0;
    gateway.intercept = (_, response, path) => {
      if (!path.endsWith("/logs")) return false;
      response.writeHead(200, { "content-type": "text/event-stream" });
      if (streams++ === 0) response.end(sent(0, [0xff, 0xc3]));
      else response.end(`${sent(0, [0xff, 0xc3, 0xa9, 0x61])}${sent(9, [0x62])}event: end\ndata: {}\n\n`);
      return true;
    };
    const chunks = [];
    for await (const { offset, bytes, text } of farcall.tasks.follow("0192")) chunks.push([offset, [...bytes], text]);
    expect(chunks).toEqual([
      [0, [0xff, 0xc3], "\ufffd"],
      [2, [0xa9, 0x61], "éa"],
      [9, [0x62], "b"],
    ]);
  });
});

describe("a listing", () => {
  const pages: Record<string, { items: number[]; cursor: string | null }> = {
    "": { items: [1, 2], cursor: "a" },
    a: { items: [], cursor: "b" },
    b: { items: [3], cursor: null },
  };
  const make = () =>
    createListing({} as { cursor?: string }, async ({ cursor }) => pages[cursor ?? ""] ?? { items: [], cursor: null });

  it("awaited is one page", async () => {
    expect(await make()).toEqual({ items: [1, 2], cursor: "a" });
  });

  it("looped over is all of them", async () => {
    const all = [];
    for await (const item of make()) all.push(item);
    expect(all).toEqual([1, 2, 3]);
  });
});

describe("a request's path", () => {
  it("has its parameters escaped and its lists repeated", () => {
    expect(buildPath("/v1/functions/{function}", { params: { function: "a/b?c" } })).toBe("/v1/functions/a%2Fb%3Fc");
    expect(buildPath("/v1/tasks", { query: { state: ["failed", "expired"], limit: 5, since: undefined } })).toBe(
      "/v1/tasks?state=failed&state=expired&limit=5",
    );
  });

  it("without a parameter is refused before it is sent", () => {
    expect(() => buildPath("/v1/tasks/{task}", { params: { task: "" } })).toThrow(
      'task is ""; expected its id or name',
    );
  });
});

it("server-sent events are read wherever the stream is cut", async () => {
  const text = 'event: a\ndata: {"x":"é"}\n\n: a comment\ndata: 1\ndata: 2\n\nevent: b\r\ndata: 3\r\n\r\n';
  const bytes = new TextEncoder().encode(text);
  for (let size = 1; size < bytes.length; size++) {
    const chunks = (async function* () {
      for (let i = 0; i < bytes.length; i += size) yield bytes.subarray(i, i + size);
    })();
    const events = [];
    for await (const event of readSse(chunks)) events.push(event);
    expect(events).toEqual([
      { event: "a", data: '{"x":"é"}' },
      { event: "message", data: "1\n2" },
      { event: "b", data: "3" },
    ]);
  }
});
