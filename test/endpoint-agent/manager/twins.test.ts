// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are the shell's
/** Decisions that both managers make must come out alike: the same inputs go through the code of both. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { mpiPrefixes } from "../../../endpoint-agent/launcher/mpi-prefix.ts";
import { type ContainerRequest, inContainer } from "../../../endpoint-agent/manager/container.ts";
import { handOver } from "../../../endpoint-agent/manager/hold.ts";
import { fillTemplate } from "../../../endpoint-agent/manager/template.ts";
import { type Container, definitionText } from "../../../protocol/function.ts";
import { inPython } from "./in-python.ts";

describe("what the manager in Python decides as the one in Node.js", () => {
  it("fills and refuses templates", () => {
    const piece = fc.constantFrom(
      ..."'\"\\`$#;()<>{} \nax".split(""),
      ..."{a},{b},{{a}},$(,$((,)),${,$',<<,<<<,case x in ,# ,{missing}".split(","),
    );
    const value = fc.oneof(
      fc.string(),
      fc.constantFrom("it's", "$HOME", "a b", "-", "", "\n", "ü"),
      fc.integer(),
      fc.double(),
      fc.boolean(),
      fc.constant(null),
      fc.array(fc.oneof(fc.string(), fc.integer()), { maxLength: 3 }),
    );
    const cases = fc.sample(
      fc.record({ template: fc.array(piece, { maxLength: 12 }).map((all) => all.join("")), a: value, b: value }),
      3_000,
    );
    const sent = cases.map(({ template, a, b }) => ({ template, fields: JSON.parse(JSON.stringify({ a, b })) }));
    const python = inPython(
      "from farcall_manager.template import TemplateError, fill_template",
      "for case in inputs:\n    try:\n        results.append(fill_template(case['template'], case['fields']))\n    except TemplateError as error:\n        results.append({'error': str(error)})",
      sent,
    );
    const here = sent.map(({ template, fields }) => {
      try {
        return fillTemplate(template, fields);
      } catch (error) {
        return { error: (error as Error).message };
      }
    });
    expect(here.filter((each) => typeof each === "string").length).toBeGreaterThan(300);
    for (const [i, each] of here.entries()) expect([sent[i], python[i]]).toEqual([sent[i], each]);
  });

  it("names functions by their definitions", () => {
    const name = fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_]{0,8}$/);
    const container = fc.record({
      runtime: fc.constantFrom("apptainer", "docker", "podman", "shifter"),
      image: fc.string(),
      binds: fc.array(fc.string(), { maxLength: 2 }),
    });
    const definition = fc.record(
      { runtime: fc.constantFrom("python", "command"), code: fc.string(), entry: fc.string({ unit: "grapheme" }) },
      { requiredKeys: ["runtime", "code", "entry"] },
    );
    const cases = fc.sample(
      fc.record({
        definition,
        env: fc.dictionary(name, fc.string({ unit: "grapheme" })),
        container: fc.option(container),
      }),
      500,
    );
    const sent = cases.map(({ definition: plain, env, container: within }) => ({
      ...plain,
      ...(Object.keys(env).length > 0 && { env }),
      ...(within && { container: within }),
    }));
    const python = inPython(
      "from farcall_manager.functions import definition_text",
      "results = [definition_text(each) for each in inputs]",
      sent,
    );
    expect(python).toEqual(sent.map((each) => definitionText(each as never)));
  });

  it("hands over and starts ranks and containers", () => {
    const numbers = fc.tuple(fc.nat(200), fc.nat(64), fc.integer({ min: 1, max: 64 }), fc.nat(8));
    const held = fc.sample(numbers, 500);
    const python = inPython(
      "from farcall_manager.hold import hand_over",
      "results = [hand_over(*each) for each in inputs]",
      held,
    );
    expect(python).toEqual(held.map(([waiting, holds, limit, sharers]) => handOver(waiting, holds, limit, sharers)));
    for (const [launcher, prefix] of Object.entries(mpiPrefixes)) {
      for (const hosts of [undefined, ["n1", "n2"]]) {
        const request = { nodes: 2, ranksPerNode: 3, coresPerNode: 16, hosts, hostFile: "/h", overrides: [] };
        const [words] = inPython(
          "from farcall_manager.on_nodes import PREFIXES",
          "results = [PREFIXES[inputs[0]](2, 3, 5, inputs[1], '/h')]",
          [launcher, hosts ?? null],
        );
        expect(words).toEqual(prefix(request));
      }
    }
    const request: ContainerRequest = {
      command: ["/bin/sh", "-c", "echo"],
      env: ["PATH", "X", "PYTHONPATH", "DOCKER_HOST", "CUDA_VISIBLE_DEVICES"],
      given: ["X"],
      dirs: [
        { path: "/scratch/here", readOnly: false },
        { path: "/cache", readOnly: true },
      ],
      cwd: "/scratch/here/cwd",
      pins: { gpus: [0, 1], cores: [3] },
      gpus: ["1", "GPU-ab"],
      memoryMb: 512,
      user: { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 },
      descriptors: 3,
    };
    for (const runtime of ["apptainer", "docker", "podman", "shifter"] as const) {
      const container: Container = { runtime, image: "debian:12", binds: ["/data", "/a:/b:ro"] };
      const [words] = inPython(
        "from farcall_manager.container import in_container\nfrom farcall_manager.resources import Pins",
        "container, request = inputs\nrequest['pins'] = Pins(**request['pins'])\nrequest['dirs'] = [(d['path'], d['readOnly']) for d in request['dirs']]\nrequest['memory_mb'] = request['memoryMb']\nresults = [in_container(container, request)]",
        [container, request],
      );
      // The user is the one that runs it, here and there.
      expect(words).toEqual(inContainer(container, request));
    }
  });
});
