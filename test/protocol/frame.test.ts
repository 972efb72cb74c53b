import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createFrameReader, decodeFrame, encodeFrame, FRAME_PREFIX_BYTES } from "../../protocol/frame.ts";

const frames = fc.array(fc.tuple(fc.jsonValue(), fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 4 })), {
  minLength: 1,
  maxLength: 8,
});

describe("frames", () => {
  it("give header and body back", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.uint8Array({ maxLength: 1000 }), (header, body) => {
        const frame = decodeFrame(encodeFrame(header, [body]));
        expect(frame.header).toEqual(JSON.parse(JSON.stringify(header)));
        expect(Buffer.from(frame.body)).toEqual(Buffer.from(body));
      }),
    );
  });

  it("come out of a stream as they went in, wherever it is cut", () => {
    fc.assert(
      fc.property(frames, fc.infiniteStream(fc.integer({ min: 1, max: 97 })), (sent, cuts) => {
        const bytes = Buffer.concat(sent.map(([header, chunks]) => encodeFrame(header, chunks)));
        const reader = createFrameReader(1_000_000);
        const got = [];
        for (let offset = 0; offset < bytes.length; ) {
          const size = cuts.next().value as number;
          got.push(...reader.push(bytes.subarray(offset, offset + size)));
          offset += size;
        }
        expect(got.map((frame) => [frame.header, Buffer.from(frame.body).toString("hex")])).toEqual(
          sent.map(([header, chunks]) => [JSON.parse(JSON.stringify(header)), Buffer.concat(chunks).toString("hex")]),
        );
      }),
    );
  });

  it("that are cut short, too long or not JSON are refused, and nothing else is thrown", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        try {
          decodeFrame(bytes);
        } catch (error) {
          expect((error as { code: string }).code).toBe("BAD_FRAME");
        }
      }),
    );
    const frame = encodeFrame({ a: 1 }, [new Uint8Array(3)]);
    expect(() => decodeFrame(frame.subarray(0, frame.length - 1))).toThrow(/announces/);
    const notJson = encodeFrame({ a: 1 });
    notJson[FRAME_PREFIX_BYTES] = 0x7c;
    expect(() => decodeFrame(notJson)).toThrow(/not UTF-8 JSON/);
  });

  it("above the limit are refused before they are buffered", () => {
    const prefix = new Uint8Array(FRAME_PREFIX_BYTES);
    new DataView(prefix.buffer).setUint32(4, 0xffff_ffff);
    expect(() => createFrameReader(1024).push(prefix)).toThrow(/above the limit/);
  });
});
