/** What the status bar and its menu show. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { Crashes } from "../../src/crashes";
import { languageIsOn, withLanguage } from "../../src/languages";
import { menuItems } from "../../src/menu";
import * as problems from "../../src/problems";
import { type Activity, type Front, type ServerStatus, view } from "../../src/status";

const PYTHON: Front = { language: "python", off: undefined, scheme: "file" };
const TRUSTED = { server: "", isTrusted: true };
const READY: ServerStatus = { state: "ready", model: "org/model-1b", message: "", percent: 100, milliseconds: 12 };

function running(status: Partial<ServerStatus>): Activity {
  return { kind: "running", status: { ...READY, ...status } };
}

function failed(problem: problems.Problem): Activity {
  return { kind: "failed", problem };
}

describe("the status bar shows", () => {
  const broken = problems.failedAtStart("/x/dsc-lsp", "exit code 3");
  const cases: readonly [string, Activity, string, RegExp][] = [
    ["the search", { kind: "searching" }, "$(loading~spin) dsc", /Looking/],
    ["an installation", { kind: "installing", message: "Downloading torch (526.8 MB)", percent: 41.6 }, "$(loading~spin) dsc: installing 42 %", /torch/],
    ["a start", { kind: "starting", isAgain: false }, "$(loading~spin) dsc", /Starting/],
    ["a start after a crash", { kind: "starting", isAgain: true }, "$(loading~spin) dsc", /again/],
    ["loading with its percent", running({ state: "loading", percent: 40, message: "Reading weights" }), "$(loading~spin) dsc: loading 40 %", /Reading weights/],
    ["the model and its last latency", running({}), "$(sparkle) model-1b 12 ms", /org\/model-1b/],
    ["the model before its first suggestion", running({ milliseconds: null }), "$(sparkle) model-1b", /org\/model-1b/],
    ["thinking", running({ state: "thinking" }), "$(loading~spin) model-1b", /thinking/],
    ["that it is off, and why", running({ state: "off", message: "Too much memory." }), "$(circle-slash) dsc", /memory/],
    ["an error of the server with its remedy", running({ state: "error", message: "Set `dsc.model`." }), "$(error) dsc", /dsc\.model/],
    ["a server that does not tell", { kind: "running", status: undefined }, "$(sparkle) dsc", /running/],
    ["a failure with its remedy", failed(broken), "$(error) dsc", /doctor/],
    ["that it is stopped", { kind: "stopped" }, "$(circle-slash) dsc", /stopped/],
  ];
  for (const [name, activity, text, tooltip] of cases) {
    test(name, () => {
      const shown = view(activity, PYTHON, TRUSTED);
      assert.equal(shown.text, text);
      assert.match(shown.tooltip.join("\n"), tooltip);
    });
  }

  for (const [off, tooltip] of [
    ["everywhere", /switched off\./],
    ["language", /switched off for python/],
    ["elsewhere", /not on the machine/],
  ] as const) {
    test(`why there are no suggestions in the file in front: ${off}`, () => {
      const shown = view(running({}), { ...PYTHON, off }, TRUSTED);
      assert.equal(shown.kind, "off");
      assert.match(shown.tooltip[0] ?? "", tooltip);
    });

    test(`an error all the same where suggestions are off: ${off}`, () => {
      const shown = view(running({ state: "error", message: "x" }), { ...PYTHON, off }, TRUSTED);
      assert.equal(shown.kind, "error");
    });
  }

  test("that the workspace is not trusted, and where the server is from", () => {
    const { tooltip } = view(running({}), PYTHON, { server: "dsc-lsp 1.2.3 from /x", isTrusted: false });
    assert.match(tooltip.join("\n"), /1\.2\.3 from \/x[^]*Restricted Mode/);
  });
});

describe("the menu", () => {
  const labels = (activity: Activity, front = PYTHON): readonly string[] =>
    menuItems(activity, front).map(({ label }) => label.replace(/^\$\(\S+\) /, ""));

  test("offers the remedies first, with what went wrong", () => {
    const problem = problems.notFound([], false);
    const [first, second, third] = menuItems(failed(problem), PYTHON);
    assert.deepEqual([first?.command, second?.command], ["workbench.trust.manage", "dsc-lsp.install"]);
    assert.equal(first?.detail, problem.text);
    assert.deepEqual(third?.args, ["dsc.server.path"]);
  });

  test("names no command twice", () => {
    for (const problem of [problems.failedAtStart("x", "y"), problems.crashedTooOften("y"), problems.notFound([], true)]) {
      const commands = menuItems(failed(problem), PYTHON).map(({ command, args }) => `${command} ${args ?? ""}`);
      assert.equal(new Set(commands).size, commands.length);
    }
  });

  test("switches the language and everything", () => {
    assert.deepEqual(labels(running({})).slice(0, 2), ["Disable for python", "Disable"]);
    assert.deepEqual(labels(running({}), { ...PYTHON, off: "language" }).slice(0, 2), ["Enable for python", "Disable"]);
    assert.deepEqual(labels(running({}), { ...PYTHON, off: "everywhere" })[0], "Enable");
    assert.deepEqual(labels(running({}), { ...PYTHON, language: undefined })[0], "Disable");
  });
});

describe("every problem", () => {
  const rejected = { command: { executable: "/x", args: [], origin: "setting" as const }, reason: "it does not exist" };
  const all: Readonly<Record<string, problems.Problem>> = {
    wrongSetting: problems.wrongSetting(rejected),
    notFound: problems.notFound([{ ...rejected, command: { ...rejected.command, origin: "python" } }], true),
    notTrusted: problems.notFound([], false),
    failedAtStart: problems.failedAtStart("/x", "exit code 3: no"),
    crashedTooOften: problems.crashedTooOften("exit code 3"),
    installFailed: problems.installFailed("Installing", "no network"),
    noPython: problems.noPython(["/x is 3.9"]),
    noServerInside: problems.noServerInside(),
  };
  for (const [name, problem] of Object.entries(all)) {
    test(`says what to do: ${name}`, () => {
      assert(problem.remedies.length > 0);
      assert(!/undefined|\[object/.test(problem.text));
      assert(problem.text.length < 400);
    });
  }
});

describe("a server that crashes", () => {
  test("is started again four times in three minutes", () => {
    const crashes = new Crashes();
    const times = [0, 1000, 2000, 3000, 4000];
    assert.deepEqual(times.map((time) => crashes.mayRestart(time)), [true, true, true, true, false]);
  });

  test("is started again for ever if it crashes rarely", () => {
    const crashes = new Crashes();
    for (let minute = 0; minute < 60; minute += 1) assert(crashes.mayRestart(minute * 60_000));
  });

  test("begins anew when the user restarts it", () => {
    const crashes = new Crashes();
    for (const time of [0, 1, 2, 3]) crashes.mayRestart(time);
    crashes.forget();
    assert(crashes.mayRestart(4));
  });
});

describe("the switch of a language", () => {
  test("is its own, then that of all others, then on", () => {
    assert(languageIsOn({}, "python"));
    assert(!languageIsOn({ "*": false }, "python"));
    assert(languageIsOn({ "*": false, python: true }, "python"));
  });

  test("is set without touching the others", () => {
    assert.deepEqual(withLanguage({ "*": true, markdown: false }, "python", false), { "*": true, markdown: false, python: false });
  });
});
