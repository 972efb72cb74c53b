import { expect, it } from "vitest";
import { createLiveOutput } from "../../cli/calls/live-output.ts";
import type { Terminal } from "../../cli/output/terminal.ts";

function capture() {
  const written = { stdout: "", stderr: "", notes: [] as string[] };
  const add = (stream: "stdout" | "stderr", bytes: Uint8Array) => {
    written[stream] += Buffer.from(bytes).toString("latin1");
  };
  const terminal = {
    width: undefined,
    animated: false,
    note: (text: string) => void written.notes.push(text),
    write: async (bytes: Uint8Array) => add("stdout", bytes),
    writeError: async (bytes: Uint8Array) => add("stderr", bytes),
  } as unknown as Terminal;
  return { written, output: createLiveOutput({ terminal }) };
}
const chunk = (offset: number, text: string) => ({
  stream: "stdout" as const,
  offset,
  text,
  bytes: Buffer.from(text, "latin1"),
});
const result = { stdout: "", stderr: "", exitCode: 0 };

it("what live output lacks comes out of the result", async () => {
  const { written, output } = capture();
  await output.show(chunk(0, "ab"));
  await output.show(chunk(4, "ef"));
  expect(written.stdout).toBe("ab");
  await output.finish({ ...result, stdoutBytes: Buffer.from("abc\xffefg", "latin1"), stderr: "late" });
  expect(written).toEqual({ stdout: "abc\xffefg", stderr: "late", notes: [] });
});

it("what nobody kept is named", async () => {
  const { written, output } = capture();
  await output.show(chunk(3, "de"));
  await output.show(chunk(5, "f"));
  await output.finish({ ...result, truncated: true });
  expect(written).toEqual({ stdout: "def", stderr: "", notes: ["(3 B of stdout were not kept)"] });
});

it("a command that ended badly still shows all that came", async () => {
  const { written, output } = capture();
  await output.show(chunk(0, "a"));
  await output.finish(undefined);
  expect(written).toEqual({ stdout: "a", stderr: "", notes: [] });
});
