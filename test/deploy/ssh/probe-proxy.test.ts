import { describe, expect, it } from "vitest";
import { proxyOf } from "../../../deploy/ssh/site/probe.ts";

describe("the proxy of a site", () => {
  it("is read as curl reads it: without a scheme an HTTP proxy, empty none", () => {
    expect(proxyOf({ https_proxy: "proxy.site:3128" })).toBe("http://proxy.site:3128");
    expect(proxyOf({ https_proxy: "", HTTP_PROXY: "https://proxy.site:443" })).toBe("https://proxy.site:443");
    expect(proxyOf({ http_proxy: "" })).toBeUndefined();
  });
});
