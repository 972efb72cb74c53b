/** The manager in Python as one file: a zip of its modules and the workers', which Python runs as it is. */
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { crc32 } from "node:zlib";

const HEAD = Buffer.from("#!/usr/bin/env python3\n");
const LOCAL_BYTES = 30;
const CENTRAL_BYTES = 46;
/** 1 January 1980: the same sources make the same file. */
const DATE = 0x0021;
/** UTF-8 names; made by Unix, so that the modes count. */
const UTF8 = 0x0800;
const REGULAR_0600 = (0o100600 << 16) >>> 0;

/** Builds the file. Nothing in it is compressed: the oldest of Pythons need not have zlib. */
export function pythonManagerFile(): Uint8Array {
  const locals: Buffer[] = [HEAD];
  const centrals: Buffer[] = [];
  let offset = HEAD.length;
  const files = sources();
  for (const { name, bytes } of files) {
    const common = Buffer.alloc(26);
    common.writeUInt16LE(10, 0);
    common.writeUInt16LE(UTF8, 2);
    common.writeUInt16LE(DATE, 8);
    common.writeUInt32LE(crc32(bytes), 10);
    common.writeUInt32LE(bytes.length, 14);
    common.writeUInt32LE(bytes.length, 18);
    common.writeUInt16LE(name.length, 22);
    locals.push(signature(0x04034b50), common, Buffer.from(name), bytes);
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE(REGULAR_0600, 6);
    tail.writeUInt32LE(offset, 10);
    centrals.push(signature(0x02014b50), Buffer.from([20, 3]), common, tail, Buffer.from(name));
    offset += LOCAL_BYTES + name.length + bytes.length;
  }
  const end = Buffer.alloc(18);
  end.writeUInt16LE(files.length, 4);
  end.writeUInt16LE(files.length, 6);
  end.writeUInt32LE(
    files.reduce((size, { name }) => size + CENTRAL_BYTES + name.length, 0),
    8,
  );
  end.writeUInt32LE(offset, 12);
  return Buffer.concat([...locals, ...centrals, signature(0x06054b50), end]);
}

function sources(): { name: string; bytes: Buffer }[] {
  const from = (folder: string, prefix: string) =>
    readdirSync(new URL(folder, import.meta.url))
      .filter((name) => name.endsWith(".py"))
      .sort()
      .map((name) => ({
        name: `${prefix}${name}`,
        bytes: readFileSync(fileURLToPath(new URL(`${folder}${name}`, import.meta.url))),
      }));
  return [
    ...from("./manager/python/", ""),
    ...from("./manager/python/farcall_manager/", "farcall_manager/"),
    ...from("./worker/", ""),
  ];
}

function signature(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}
