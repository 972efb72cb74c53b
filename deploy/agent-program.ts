/** Which program runs the agent of an endpoint. */
import { readConfigFile } from "../endpoint-agent/config-file.ts";
import { endpointLayout } from "../endpoint-agent/layout.ts";

/** As its configuration says; a mistake in that is for the agent to report. */
export function agentProgram(dir: string): "endpoint-agent/main" | "deploy/ssh/agent" {
  try {
    const { driver } = readConfigFile(endpointLayout(dir).config);
    return driver.type === "ssh" ? "deploy/ssh/agent" : "endpoint-agent/main";
  } catch {
    return "endpoint-agent/main";
  }
}
