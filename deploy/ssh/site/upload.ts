/** Brings a file to a site: resumed where it broke off, verified before it takes its place. */
import { createHash } from "node:crypto";
import type { SFTPWrapper } from "ssh2";
import { ApiError } from "../../../protocol/errors.ts";
import type { SshSession } from "../channels.ts";
import { quote } from "../shell.ts";

export type Upload = {
  path: string;
  content: Uint8Array;
  executable?: boolean;
  /** bytes that are there, of all */
  progress?: (done: number, all: number) => void;
};

const COMMAND_MS = 60_000;
const TRANSFER_MS = 3_600_000;
const CHUNK = 32 * 1024;
/** Some servers stall when more is under way. */
const MOST_WRITES = 4;

/** Makes the file have that content; one that has it already is left alone. Returns whether anything was sent. */
export async function upload(session: SshSession, file: Upload): Promise<boolean> {
  const part = `${file.path}.part`;
  const wanted = createHash("sha256").update(file.content).digest("hex");
  const there = await lookAt(session, file.path, part);
  if (there.hash === wanted) return false;
  let from = there.size <= file.content.length ? there.size : 0;
  for (;;) {
    await send(session, file, from);
    const { hash, size } = await lookAt(session, part, part);
    // A site without any program that makes a sum can still be asked for the length.
    if (hash === wanted || (hash === "unknown" && size === file.content.length)) break;
    if (from === 0)
      throw new ApiError(
        "SSH_FAILED",
        `${file.path} did not arrive as it was sent: is the disk full, or a quota reached?`,
      );
    // What was there was the beginning of something else.
    from = 0;
  }
  await must(session, [
    "/bin/sh",
    "-c",
    `chmod ${file.executable ? 700 : 600} "$1" && mv -f "$1" "$2"`,
    "sh",
    part,
    file.path,
  ]);
  return true;
}

/** Writes a small file whole or not at all; its content is in no argument list. */
export async function writeRemote(
  session: SshSession,
  path: string,
  content: string,
  mode: "600" | "700" = "600",
): Promise<void> {
  // To cat, a connection that is lost is the end of its input: what came is counted before it takes its place.
  const whole = `[ "$(wc -c <"$draft")" -eq ${Buffer.byteLength(content)} ]`;
  const script = `umask 077; draft="$1.$$"; cat >"$draft" && ${whole} && chmod ${mode} "$draft" && mv -f "$draft" "$1" || { rm -f "$draft"; exit 1; }`;
  await must(session, ["/bin/sh", "-c", script, "sh", path], content);
}

/** Runs a command that must work. Throws SSH_FAILED with the site's own words. */
export async function must(session: SshSession, argv: readonly string[], stdin = ""): Promise<string> {
  const { code, stdout, stderr } = await session.exec(argv, { stdin, timeoutMs: COMMAND_MS });
  if (code === 0) return stdout;
  throw new ApiError("SSH_FAILED", `${session.name}: ${stderr.trim() || stdout.trim() || `exit code ${code}`}`);
}

async function lookAt(session: SshSession, path: string, part: string): Promise<{ hash: string; size: number }> {
  const { stdout } = await session.script(
    `sum() {
  if command -v sha256sum >/dev/null 2>&1; then sha256sum
  elif command -v shasum >/dev/null 2>&1; then shasum -a 256
  elif command -v openssl >/dev/null 2>&1; then openssl dgst -sha256 -r
  else echo unknown; fi
}
if [ -f ${quote(path)} ]; then sum <${quote(path)} | cut -d ' ' -f 1; else echo none; fi
if [ -f ${quote(part)} ]; then wc -c <${quote(part)}; else echo 0; fi`,
    { timeoutMs: COMMAND_MS * 5 },
  );
  const [hash = "unknown", size = "0"] = stdout.trim().split("\n");
  return { hash: hash.trim(), size: Number(size) };
}

async function send(session: SshSession, file: Upload, from: number): Promise<void> {
  const part = `${file.path}.part`;
  const sftp = await session.sftp();
  if (!sftp) return sendByCat(session, file, from);
  try {
    await sendBySftp(sftp, part, file, from);
  } finally {
    sftp.end();
  }
}

async function sendBySftp(sftp: SFTPWrapper, part: string, file: Upload, from: number): Promise<void> {
  const { content } = file;
  const handle = await new Promise<Buffer>((resolve, reject) => {
    sftp.once("close", () => reject(new ApiError("SSH_FAILED", "SFTP ended")));
    sftp.open(part, from === 0 ? "w" : "r+", 0o600, (error, opened) =>
      error ? reject(failed(error)) : resolve(opened),
    );
  });
  let next = from;
  let done = from;
  const write = async () => {
    while (next < content.length) {
      const at = next;
      const length = Math.min(CHUNK, content.length - at);
      next += length;
      await new Promise<void>((resolve, reject) => {
        sftp.once("close", () => reject(new ApiError("SSH_FAILED", "SFTP ended")));
        sftp.write(handle, content as Buffer, at, length, at, (error) => (error ? reject(failed(error)) : resolve()));
      });
      done += length;
      file.progress?.(done, content.length);
    }
  };
  sftp.setMaxListeners(0);
  await Promise.all(Array.from({ length: MOST_WRITES }, write));
  await new Promise<void>((resolve, reject) =>
    sftp.close(handle, (error) => (error ? reject(failed(error)) : resolve())),
  );
}

async function sendByCat(session: SshSession, file: Upload, from: number): Promise<void> {
  async function* pieces() {
    for (let at = from; at < file.content.length; at += CHUNK) {
      yield file.content.subarray(at, at + CHUNK);
      file.progress?.(Math.min(at + CHUNK, file.content.length), file.content.length);
    }
  }
  const script = `umask 077; cat ${from === 0 ? ">" : ">>"}"$1"`;
  const argv = ["/bin/sh", "-c", script, "sh", `${file.path}.part`];
  const { code, stderr } = await session.feed(argv, pieces(), { timeoutMs: TRANSFER_MS });
  if (code !== 0) throw new ApiError("SSH_FAILED", `${session.name}: ${stderr.trim() || `cat ended with ${code}`}`);
}

function failed(error: Error): ApiError {
  return new ApiError("SSH_FAILED", `SFTP: ${error.message}`, { cause: error });
}
