import { Farcall } from "../sdk/index.ts";

await using farcall = new Farcall();
// What stands in braces is filled in and quoted for the shell.
const longest = farcall.command(
  "printf '%s\\n' {words} | tr ' ' '\\n' | awk 'length > length(w) { w = $0 } END { print w }'",
);
const { stdout, exitCode } = await longest({ words: "a supercomputer is not a laptop" });
console.log(exitCode, stdout.trim());

// A command that ends with another code than 0 throws, unless that is allowed.
const failing = farcall.command("echo no such thing >&2; exit 3").with({ allowFailure: true });
console.log(await failing());
