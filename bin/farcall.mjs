#!/usr/bin/env node
// Checks the version of Node.js before anything else is loaded. This file is kept to what very old versions can parse:
// no static imports, no optional chaining, no await at the top level.
const MINIMUM = [22, 19];
// Without the prefix "node:", which they do not know either.
const BUILTINS = ["fs", "url", "child_process", "module", "os"];

function isNewEnough(version) {
  const parts = version.replace(/^v/, "").split(".").map(Number);
  return parts[0] > MINIMUM[0] || (parts[0] === MINIMUM[0] && parts[1] >= MINIMUM[1]);
}

function runWith(node, childProcess) {
  // The environment's marker stops a loop if that node is too old as well.
  const env = Object.assign({}, process.env, { FARCALL_REEXECUTED: "1" });
  const child = childProcess.spawn(node, process.argv.slice(1), { stdio: "inherit", env });
  const forward = (signal) => child.kill(signal);
  // The terminal sends Ctrl-C to both; this process only waits for the other to finish.
  process.on("SIGINT", () => {});
  process.on("SIGTERM", forward);
  process.on("SIGHUP", forward);
  child.on("exit", (code, signal) => {
    if (!signal) process.exit(code);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
}

function refuse() {
  console.error(
    "farcall: NODE_TOO_OLD: this is Node.js " +
      process.version +
      " (" +
      process.execPath +
      "); Farcall needs " +
      MINIMUM.join(".") +
      " or newer.\n" +
      "  Install Node 24, or run `npm ci` in the repository, which brings one.",
  );
  process.exitCode = 7;
}

function start() {
  return Promise.all(BUILTINS.map((name) => import(name))).then(([fs, url, childProcess, module, os]) => {
    const path = (relative) => url.fileURLToPath(new URL(relative, import.meta.url));
    if (!isNewEnough(process.version)) {
      const bundled = path("../node_modules/.bin/node");
      if (process.env.FARCALL_REEXECUTED || !fs.existsSync(bundled)) return refuse();
      return runWith(bundled, childProcess);
    }
    // What Node.js compiled is kept: a third of the time to start.
    const cache = process.env.XDG_CACHE_HOME || `${process.env.HOME || os.homedir()}/.cache`;
    if (!process.env.NODE_COMPILE_CACHE) module.enableCompileCache(`${cache}/farcall/node-compile-cache`);
    const source = path("../cli/main.ts");
    return import(fs.existsSync(source) ? source : path("../dist/cli/main.js"));
  });
}

start().catch((error) => {
  console.error(error);
  process.exitCode = 70;
});
