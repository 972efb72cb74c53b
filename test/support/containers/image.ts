/** A root file system for images, of this machine's own files: a shell, some commands, Python; Node comes with the programs. */
import { execFileSync } from "node:child_process";
import { copyFileSync, cpSync, mkdirSync, realpathSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";

const COMMANDS = ["sh", "cat", "sleep", "id", "env", "ls", "touch", "seq", "head", "true", "kill"];
const PYTHON = "/usr/bin/python3";
const UNUSED = /\/(test|idlelib|ensurepip|config-[^/]*|__pycache__|tkinter|pydoc_data|lib2to3)$/;

/** Makes it in `root`, some 40 MB. */
export function makeImageRoot(root: string): void {
  for (const each of ["bin", "tmp", "etc", "proc", "dev", "sys", "usr/bin", "var/tmp"])
    mkdirSync(join(root, each), { recursive: true });
  for (const file of ["hosts", "passwd", "group", "resolv.conf", "localtime"])
    writeFileSync(join(root, "etc", file), "");
  writeFileSync(join(root, "etc", "image"), "in the image\n");
  writeFileSync(join(root, "bin", "node"), `#!/bin/sh\nexec ${process.execPath} "$@"\n`, { mode: 0o755 });
  const commands = COMMANDS.map((name) => execFileSync("which", [name], { encoding: "utf8" }).trim());
  const python = realpathSync(PYTHON);
  for (const path of [...commands, python, process.execPath]) {
    const text = execFileSync("ldd", [path], { encoding: "utf8" });
    for (const [library] of text.matchAll(/\/[^\s:]+\.so[^\s:]*/g)) copyInto(root, library);
  }
  for (const path of commands) copyFileSync(path, join(root, "bin", basename(path)));
  copyFileSync(python, join(root, "usr/bin/python3"));
  const library = `/usr/lib/${basename(python)}`;
  cpSync(library, join(root, library), { recursive: true, filter: (from) => !UNUSED.test(from) });
}

function copyInto(root: string, path: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  copyFileSync(path, join(root, path));
}
