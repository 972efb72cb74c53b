/** `node endpoint-agent/main.ts --dir <endpoint dir> [--take-over]`: the agent's process. */
import "./buffer-collection.ts";
import { runProgram } from "./program.ts";

await runProgram();
