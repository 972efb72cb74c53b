import { describe, expect, it } from "vitest";
import { commandCode } from "../../sdk/code/command.ts";
import { dedent, pythonCode } from "../../sdk/code/python.ts";

const textOf = async (code: { load(): Promise<{ bytes: Uint8Array | undefined }> }) =>
  new TextDecoder().decode((await code.load()).bytes);

describe("Python source", () => {
  it("is called by its only function", async () => {
    const code = pythonCode(
      "import math\n\ndef area(r):\n    def square(x):\n        return x * x\n    return math.pi * square(r)\n",
      {},
    );
    expect((await code.load()).definition).toMatchObject({ runtime: "python", entry: "area" });
    expect(code.name).toBe("area");
  });

  it("may have private functions beside it, and a main among several", async () => {
    expect((await pythonCode("def _help():\n  pass\ndef run():\n  pass", {}).load()).definition.entry).toBe("run");
    expect((await pythonCode("def a():\n  pass\nasync def main():\n  pass", {}).load()).definition.entry).toBe("main");
    expect((await pythonCode("def a():\n  pass\ndef b():\n  pass", { entry: "b" }).load()).definition.entry).toBe("b");
  });

  it("without one to call is refused, naming those there are", () => {
    expect(() => pythonCode("def a(): pass\ndef b(): pass", {})).toThrow(
      /several functions: a, b; name the one to call/,
    );
    expect(() => pythonCode("x = 1", {})).toThrow(/no function at its top level/);
  });

  it("loses the indentation of the template literal around it", async () => {
    const code = pythonCode(
      `
      def f(x):
          if x:
              return 1

          return 2
    `,
      {},
    );
    expect(await textOf(code)).toBe("def f(x):\n    if x:\n        return 1\n\n    return 2\n");
    expect(dedent("\tdef f():\n\t\treturn 1\r\n")).toBe("def f():\n\treturn 1\n");
    expect(dedent("def f():\n    return 1")).toBe("def f():\n    return 1\n");
  });
});

describe("a command", () => {
  it("is its template, named by its program", async () => {
    const code = commandCode("/usr/bin/wc -w {file} | sort", {});
    expect(await textOf(code)).toBe("/usr/bin/wc -w {file} | sort");
    expect(code.name).toBe("wc");
    expect((await code.load()).definition.runtime).toBe("command");
  });

  it("wants every field that its template names, and plain text in them", () => {
    const { check } = commandCode("cp {from} {to} && awk '{print $1}' {to}", {});
    expect(() => check?.([{ from: "a", to: 1 }])).not.toThrow();
    expect(() => check?.([{ from: "a" }])).toThrow(/^to is missing; expected a string or a number/);
    expect(() => check?.([])).toThrow(/an object with the fields from, to/);
    expect(() => check?.([{ from: "a\0b", to: "c" }])).toThrow(/without NUL/);
  });

  it("without fields wants nothing", () => {
    expect(() => commandCode("uname -a", {}).check?.([])).not.toThrow();
  });

  it("warns of a shell variable that looks like a field", () => {
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is meant for the shell
    expect(() => commandCode("echo ${HOME}", {})).toThrow(/would be taken as the field \{HOME\}; write \$HOME/);
  });
});
