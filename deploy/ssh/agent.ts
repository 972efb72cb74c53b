/** `node deploy/ssh/agent.ts --dir <endpoint dir> [--take-over]`: the process of an agent that drives a site over SSH. */
import "../../endpoint-agent/buffer-collection.ts";
import { runProgram } from "../../endpoint-agent/program.ts";
import { openSshDriver } from "./driver.ts";

await runProgram({ openDriver: openSshDriver });
