import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { EXIT } from "../../../cli/exit-codes.ts";
import { freePort } from "../../../deploy/ports.ts";
import { makeGatewayHome } from "../../gateway/support/process.ts";
import { createCliHome } from "../../support/cli.ts";
import { startConnectProxy } from "../../support/connect-proxy.ts";
import { startNats } from "../../support/nats-server.ts";
import { clientConfig, SSHD, startSshd } from "../../support/sshd.ts";

// Not installed: `apt-get install openssh-server`.
describe.skipIf(!SSHD)("a site's way to the gateway", () => {
  it("is the site's HTTP proxy, found and written down, where there is no other", async () => {
    const webSocket = await freePort();
    const nats = await startNats({ config: `websocket { listen: "127.0.0.1:${webSocket}", no_tls: true }\n` });
    onTestFinished(() => nats.stop());
    await using gatewayHome = await makeGatewayHome({
      nats: { servers: [nats.url], agentServers: ["ws://nats.invalid:80"], dir: nats.authDir },
      allowedHosts: ["gateway.invalid"],
    });
    const gateway = await gatewayHome.start();
    const seen: string[] = [];
    await using proxy = await startConnectProxy({
      user: "me:hushed",
      refuse() {
        seen.push(...argumentLists().filter((text) => text.includes("hushed")));
        return false;
      },
      names: { "gateway.invalid": Number(new URL(gateway.url).port), "nats.invalid": webSocket },
    });
    await using sshd = await startSshd({ setEnv: { https_proxy: proxy.url } });
    await using home = await createCliHome();
    const config = clientConfig({ site: sshd });
    const env = { FARCALL_URL: gateway.url, FARCALL_TOKEN: gateway.token };
    const deploy = [
      "endpoint",
      "deploy",
      "site",
      "--ssh-config",
      config,
      "--node",
      process.execPath,
      "--start",
      "nohup",
    ];

    const refused = await home.run([...deploy, "--gateway", "http://127.0.0.1:9"], { env });
    expect(refused.code).toBe(EXIT.machine);
    expect(refused.stderr).toMatch(
      /SITE_UNFIT.*does not reach this gateway \(directly, gateway: .*; through 127\.0\.0\.1:\d+, gateway: /,
    );
    expect(refused.stderr).toContain("--gateway");

    const run = await home.run([...deploy, "--gateway", "http://gateway.invalid"], { env });
    expect(run, run.stderr).toMatchObject({ code: 0, stdout: expect.stringContaining("is online") });
    expect(run.stderr).toContain(`the gateway is reached through ${new URL(proxy.url).host}`);
    const dir = join(sshd.home, ".local/state/farcall/endpoints/site");
    expect(readFileSync(join(dir, "config.yaml"), "utf8")).toContain(`proxy: ${proxy.url}`);
    expect((await home.run(["run", "-e", "site", "--", "echo", "through"], { env })).stdout).toBe("through\n");
    expect(new Set(proxy.asked)).toEqual(new Set(["127.0.0.1:9", "gateway.invalid:80", "nats.invalid:80"]));
    await home.run(["doctor", "--site", "site", "--ssh-config", config], { env });
    // The password of a proxy is nobody else's business on a login node.
    expect(seen).toEqual([]);
  });
});

/** Of all processes, as `ps` shows them to everybody. */
function argumentLists(): string[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
      } catch {
        // It has ended meanwhile.
        return "";
      }
    });
}
