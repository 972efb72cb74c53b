/** Runs the modules of the manager in Python, out of its one file. */
import { execFileSync } from "node:child_process";
import { OLDEST_PYTHON, pythonManager } from "../../support/managers.ts";

/** Runs `body`, which makes `results` of `inputs`. */
export function inPython(imports: string, body: string, inputs: unknown = null): unknown[] {
  const program = `import json, sys\nsys.path.insert(0, ${JSON.stringify(pythonManager())})\n${imports}\ninputs = json.load(sys.stdin)\nresults = []\n${body}\njson.dump(results, sys.stdout)\n`;
  const input = JSON.stringify(inputs);
  return JSON.parse(
    execFileSync(OLDEST_PYTHON, ["-B", "-c", program], { input, encoding: "utf8", maxBuffer: 1 << 28 }),
  );
}
