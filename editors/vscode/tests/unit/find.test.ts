/** Which command starts the server. */

import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";

import { askVersion, commands, environmentsIn, findServer, fromSetting, onPath } from "../../src/find";

let folder: string;

beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "dsc-unit-"));
});
afterEach(() => {
  fs.rmSync(folder, { recursive: true, force: true });
});

function program(name: string, script = "echo dsc-lsp 1.2.3"): string {
  const file = path.join(folder, name);
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.writeFileSync(file, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  return file;
}

const NOTHING = { setting: "", pythons: [], onPath: undefined, own: undefined };

describe("the order", () => {
  test("Pythons, then the PATH, then our own environment", () => {
    const all = { setting: "", pythons: ["/a/python", "/b/python", "/a/python"], onPath: "/p/dsc-lsp", own: "/o/python" };
    assert.deepEqual(
      commands(all).map(({ executable, args, origin }) => [executable, args.join(" "), origin]),
      [
        ["/a/python", "-m dsc_lsp", "python"],
        ["/b/python", "-m dsc_lsp", "python"],
        ["/p/dsc-lsp", "", "path"],
        ["/o/python", "-m dsc_lsp", "own"],
      ],
    );
  });

  test("with a setting nothing else is tried", () => {
    const all = { setting: "/s/dsc-lsp", pythons: ["/a/python"], onPath: "/p/dsc-lsp", own: "/o/python" };
    assert.deepEqual(
      commands(all).map(({ executable, origin }) => [executable, origin]),
      [["/s/dsc-lsp", "setting"]],
    );
  });

  test("the first that answers is taken, and what was tried before is told", async () => {
    const bad = program("bad/python", "echo No module named dsc_lsp >&2; exit 1");
    const found = await findServer({ ...NOTHING, pythons: [bad], onPath: program("dsc-lsp") });
    assert("command" in found);
    assert.equal(found.version, "1.2.3");
    assert.equal(found.command.origin, "path");
    assert.deepEqual(found.rejected.map(({ reason }) => reason), ["dsc-lsp is not installed there"]);
  });

  test("nothing to try is nothing found", async () => {
    assert.deepEqual(await findServer(NOTHING), []);
  });
});

describe("a program is asked for its version", () => {
  const cases: readonly [string, string, string][] = [
    ["it has no dsc-lsp", "echo /usr/bin/python: No module named dsc_lsp >&2; exit 1", "dsc-lsp is not installed there"],
    ["it breaks", "echo one >&2; echo ImportError: no torch >&2; exit 1", "it does not start: ImportError: no torch"],
    ["it is something else", "echo GNU hello 2.0", "it is not dsc-lsp"],
    ["it says nothing", "exit 0", "it is not dsc-lsp"],
  ];
  for (const [name, script, reason] of cases) {
    test(name, async () => {
      const answer = await askVersion({ executable: program("x", script), args: [], origin: "path" });
      assert(typeof answer !== "string");
      assert.equal(answer.reason, reason);
    });
  }

  test("it does not exist", async () => {
    const answer = await askVersion({ executable: path.join(folder, "gone"), args: [], origin: "path" });
    assert(typeof answer !== "string");
    assert.equal(answer.reason, "it does not exist");
  });

  test("it may not be run", async () => {
    const file = path.join(folder, "text");
    fs.writeFileSync(file, "text", { mode: 0o644 });
    const answer = await askVersion({ executable: file, args: [], origin: "path" });
    assert(typeof answer !== "string");
    assert.equal(answer.reason, "it may not be run");
  });
});

describe("the setting may name", () => {
  test("the program", () => {
    const { executable, args } = fromSetting("/opt/dsc/bin/dsc-lsp");
    assert.deepEqual([executable, args], ["/opt/dsc/bin/dsc-lsp", []]);
  });

  for (const name of ["python", "python3", "python3.12", "pypy3"]) {
    test(`an interpreter: ${name}`, () => {
      assert.deepEqual(fromSetting(`/usr/bin/${name}`).args, ["-m", "dsc_lsp"]);
    });
  }

  test("the folder of a virtual environment", () => {
    fs.mkdirSync(path.join(folder, "venv"));
    const { executable, args } = fromSetting(path.join(folder, "venv"));
    assert.deepEqual([executable, args], [path.join(folder, "venv/bin/python"), ["-m", "dsc_lsp"]]);
  });

  test("something in the home folder", () => {
    assert.equal(fromSetting("~/bin/dsc-lsp").executable, path.join(os.homedir(), "bin/dsc-lsp"));
  });

  test("a bare name that is on the PATH", () => {
    assert.match(fromSetting("sh").executable, /^\/.*\/sh$/);
  });
});

describe("on the PATH", () => {
  test("the first program of the name is found", () => {
    const second = program("two/dsc-lsp");
    fs.mkdirSync(path.join(folder, "one/dsc-lsp"), { recursive: true });
    const PATH = [path.join(folder, "one"), path.join(folder, "two")].join(path.delimiter);
    assert.equal(onPath("dsc-lsp", { PATH }), second, "a folder of the name is no program");
  });

  test("what is relative, or in a folder that is not trusted, is passed over", () => {
    program("work/bin/dsc-lsp");
    const PATH = ["bin", ".", "", path.join(folder, "work/bin")].join(path.delimiter);
    assert.equal(onPath("dsc-lsp", { PATH }, [path.join(folder, "work")]), undefined);
    assert.notEqual(onPath("dsc-lsp", { PATH }, [path.join(folder, "wor")]), undefined);
  });

  test("nothing is found without a PATH", () => {
    assert.equal(onPath("dsc-lsp", {}), undefined);
  });
});

test("virtual environments of a folder are found under their usual names", () => {
  const python = program("venv/bin/python");
  program("other/bin/python");
  assert.deepEqual(environmentsIn(folder), [python]);
});
