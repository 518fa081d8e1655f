/** Installing into a virtual environment, with programs that stand in for Python. */

import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";

import { bundledServer, install, stepOf } from "../../src/install";

let folder: string;

beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "dsc-unit-"));
});
afterEach(() => {
  fs.rmSync(folder, { recursive: true, force: true });
});

/** A "python" whose `-m venv` makes an environment with a "python" that runs `pip`. */
function python(pip: string): string {
  const file = path.join(folder, "python");
  const inner = `#!/bin/sh\\ncase "$*" in *--version*) echo pip 24.0; exit;; esac\\n${pip}\\n`;
  const script = `#!/bin/sh\nmkdir -p "$4/bin"\nprintf '${inner}' > "$4/bin/python"\nchmod +x "$4/bin/python"\n`;
  fs.writeFileSync(file, script, { mode: 0o755 });
  return file;
}

function installed(pip: string, signal = new AbortController().signal): ReturnType<typeof run> {
  return run(pip, signal);
}

async function run(pip: string, signal: AbortSignal) {
  const steps: string[] = [];
  const problem = await install({
    environment: path.join(folder, "venv"),
    wheel: "dsc_lsp-1.2.3-py3-none-any.whl",
    constraints: "constraints.txt",
    python: python(pip),
    pipArguments: ["--no-index"],
    signal,
    onStep: ({ message }) => steps.push(message),
    log: () => undefined,
  });
  return { problem, steps, isThere: fs.existsSync(path.join(folder, "venv")) };
}

test("the steps are told as they come", async () => {
  const { problem, steps, isThere } = await installed("echo Collecting torch");
  assert.equal(problem, undefined);
  assert.deepEqual(steps, ["Making a virtual environment", "Installing dsc-lsp", "Looking for torch"]);
  assert(isThere);
});

test("a failure says which step and why, and leaves nothing behind", async () => {
  const { problem, isThere } = await installed("echo ERROR: no such version >&2; exit 1");
  assert.match(problem?.text ?? "", /Installing dsc-lsp failed \(ERROR: no such version\)/);
  assert.deepEqual(problem?.remedies.map(({ title }) => title), ["Show Log", "Install"]);
  assert(!isThere);
});

test("a stopped installation leaves nothing behind and is no problem", async () => {
  const stop = new AbortController();
  const running = installed("exec sleep 60", stop.signal);
  setTimeout(() => stop.abort(), 300);
  const { problem, isThere } = await running;
  assert.equal(problem, undefined);
  assert(!isThere);
});

describe("what pip says", () => {
  const cases: readonly [string, string | undefined, number | undefined][] = [
    ["Collecting torch<2.14,>=2.11 (from dsc-lsp==0.1.0)", "Looking for torch", undefined],
    ["  Downloading torch-2.13.0-cp311-none.whl (526.8 MB)", "Downloading torch (526.8 MB)", undefined],
    ["Using cached tree_sitter-0.25.2-cp311.whl (12 kB)", "Downloading tree_sitter (12 kB)", undefined],
    ["Progress 50 of 200", "", 25],
    ["Progress 50 of 0", "", undefined],
    ["Installing collected packages: a, b", "Unpacking", undefined],
  ];
  for (const [line, message, percent] of cases) {
    test(line.trim(), () => assert.deepEqual(stepOf(line), { message, percent }));
  }

  test("anything else is no step", () => assert.equal(stepOf("  Attempting uninstall: torch"), undefined));
});

test("the wheel that the extension brings is found with its version", () => {
  assert.equal(bundledServer(folder), undefined);
  fs.mkdirSync(path.join(folder, "server"));
  assert.equal(bundledServer(folder), undefined);
  fs.writeFileSync(path.join(folder, "server/dsc_lsp-1.2.3-py3-none-any.whl"), "");
  assert.equal(bundledServer(folder)?.version, "1.2.3");
});
