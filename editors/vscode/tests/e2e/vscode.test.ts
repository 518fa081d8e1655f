/** dsc-lsp in a real VS Code: what its users see and do. */

import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as path from "node:path";
import { after, before, describe, test } from "node:test";

import {
  Bench,
  Hub,
  ROOT,
  type Window,
  type WindowOptions,
  eventually,
  serverPids,
  serverScript,
} from "./window";

const REPORT = `"""Prints what is in stock."""

from inventory import Inventory


def report(inventory: Inventory) -> str:
    lines = []
    for item in inventory.items:
        lines.append(f"{item.name}: {item.count}")
    return "\\n".join(lines)


def total_value(inventory: Inventory) -> float:
    total = 0.0
`;

/** What the READMEs show, with DSC_UPDATE_PICTURES. */
const PICTURE = process.env["DSC_UPDATE_PICTURES"] ? "pictures/ghost-text.png" : "build/ghost-text.png";

let bench: Bench;
let failures = 0;

before(async () => {
  bench = await Bench.open();
});
after(async () => {
  await bench.close();
});

/** Keep a picture and the logs of a window in which something failed. */
async function watched(window: Window, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    failures += 1;
    await window.page.screenshot({ path: `build/failure-${failures}.png` });
    fs.writeFileSync(`build/failure-${failures}.log`, window.logs());
    throw error;
  }
}

async function inWindow(options: WindowOptions, work: (window: Window) => Promise<void>): Promise<void> {
  const window = await bench.window(options);
  try {
    await watched(window, () => work(window));
  } finally {
    await window.close();
  }
}

test("the embedded model's ghost text stands on the screen, and Tab puts it into the file", () =>
  inWindow(
    { files: { "report.py": REPORT }, programs: { "dsc-lsp": serverScript("dsc_lsp") } },
    async (window) => {
      await window.status(/^starter/);
      await window.toEnd();
      await window.type("    for item in inventory.");
      const ghost = await window.ghostText();
      assert.match(ghost, /\S/);
      await window.status(/^starter \d+ ms$/);
      await window.page.screenshot({ path: PICTURE });
      await window.press("Tab");
      await window.save();
      await eventually("it is in the file", () =>
        assert(window.read("report.py").startsWith(`${REPORT}    for item in inventory.${ghost}`)),
      );
    },
  ));

describe("in one window, with a server that always says `answer`", () => {
  let window: Window;
  let hub: Hub;

  before(async () => {
    hub = await Hub.open();
    window = await bench.window({
      environment: {
        HF_ENDPOINT: hub.address,
        HF_HUB_DOWNLOAD_TIMEOUT: "600",
        SCRIPTED_ALTERNATIVES: "none everything",
      },
      files: { "main.py": "x = 1\n", "page.html": "<p>\n" },
      programs: {
        "dsc-lsp": serverScript("tests.protocol.scripted_server"),
        "crashes-at-once": program(
          'case "$*" in *--version*) echo dsc-lsp 0.0.1; exit;; esac; echo "the shelf is empty" >&2; exit 3',
        ),
        "selected/python": serverScript("tests.protocol.scripted_server", true),
        "python3.11": program('echo "python3.11: No module named dsc_lsp" >&2; exit 1'),
      },
    });
  });
  after(async () => {
    await window.close();
    await hub.close();
  });
  const scenario = (name: string, work: () => Promise<void>): void =>
    void test(name, () => watched(window, work));
  const bin = (name: string): string => path.join(window.folder, "bin", name);

  /** Type a line of its own, and see that ghost text comes and goes into the file. */
  async function completes(name: string): Promise<void> {
    await window.status(/^scripted/);
    await window.toEnd();
    await window.press("Escape", "Enter");
    await window.type(`${name} = `);
    assert.equal(await window.ghostText(), "answer");
    await window.press("Tab", "Escape", "Enter");
    await window.save();
    await eventually("it is in the file", () => assert.match(window.read("main.py"), new RegExp(`^${name} = answer$`, "m")));
  }

  scenario("ghost text is accepted with Tab, and undone at once", async () => {
    await completes("first");
    await window.toEnd();
    await window.type("second = ");
    await window.ghostText();
    await window.press("Tab", "Escape");
    await window.save();
    await eventually("it is in the file", () => assert.match(window.read("main.py"), /^second = answer$/m));
    await window.press("Control+Z", "Escape");
    await window.save();
    await eventually("it is undone", () => assert.match(window.read("main.py"), /^second = $/m));
    await window.press("Escape", "Enter");
  });

  scenario("a popup and ghost text that goes on from its selected item stand side by side", async () => {
    await window.set({
      "editor.wordBasedSuggestions": "currentDocument",
      "editor.quickSuggestions": { other: "on", comments: "off", strings: "off" },
    });
    await window.toEnd();
    await window.type("other_word = 1");
    await window.press("Escape", "Enter");
    await window.type("oth");
    await window.press("Control+Space");
    // VS Code's own words may say what stands at the cursor, too, and select it.
    const selected = window.popup().and(window.page.locator(".focused"));
    await eventually("the word is selected", async () => {
      if ((await selected.filter({ hasText: "other_word" }).count()) > 0) return;
      await window.press("ArrowDown");
      assert.fail("another is selected");
    });
    await eventually("ghost text goes on", async () =>
      assert.equal(await window.ghostText(), "er_wordanswer"),
    );
    await window.page.screenshot({ path: "build/side-by-side.png" });
    await window.press("Enter");
    await window.popup().first().waitFor({ state: "hidden" });
    await window.press("Escape");
    await window.save();
    await eventually("the popup's item is taken, and no more", () =>
      assert.match(window.read("main.py"), /^other_word$/m),
    );
    await window.set({ "editor.wordBasedSuggestions": "off" });
  });

  scenario("the next and the previous suggestion are shown by VS Code's own keys", async () => {
    await window.toEnd();
    await window.press("Escape", "Enter");
    await window.type("turn = ");
    const shows = (text: string): Promise<void> =>
      eventually(`${text} is shown`, async () => assert.equal(await window.ghostText(), text));
    await shows("answer");
    for (const [key, text] of [
      ["Alt+]", "none"],
      ["Alt+]", "everything"],
      ["Alt+]", "answer"],
      ["Alt+[", "everything"],
      ["Alt+[", "none"],
    ] as const) {
      await window.press(key);
      await shows(text);
    }
    await window.press("Tab", "Escape");
    await window.save();
    await eventually("it is in the file", () => assert.match(window.read("main.py"), /^turn = none$/m));
    await window.press("Enter");
  });

  scenario("a server that is killed is started again", async () => {
    await window.status(/^scripted/);
    const before = serverPids(window);
    process.kill(before.at(-1) ?? 0, "SIGKILL");
    await eventually("another is started", () => assert.equal(serverPids(window).length, before.length + 1));
    await completes("after_the_crash");
  });

  scenario("a wrong path is told with the setting to correct, and works once it is", async () => {
    await window.set({ "dsc.server.path": "/nowhere/dsc-lsp" });
    await window.says("error", /names \/nowhere\/dsc-lsp, but it does not exist\. Correct it/);
    await (await window.menu()).filter({ hasText: "Open Setting" }).filter({ hasText: "does not exist" }).waitFor();
    await window.press("Escape");
    const message = await window.message("names /nowhere/dsc-lsp, but it does not exist");
    await message.getByText("Open Setting").waitFor();
    await window.set({ "dsc.server.path": bin("dsc-lsp") });
    await completes("corrected");
  });

  scenario("a Python without dsc-lsp is told", async () => {
    await window.set({ "dsc.server.path": bin("python3.11") });
    await window.says("error", /dsc-lsp is not installed there/);
    await window.message("python3.11, but dsc-lsp is not installed there");
    await window.set({ "dsc.server.path": "" });
    await completes("another_python");
  });

  scenario("the selected Python comes before the PATH", async () => {
    await window.set({ "dsc.server.path": "", "fixture.python": bin("selected/python") });
    await window.command("dsc-lsp: Restart");
    await eventually("it is started from there", () => assert(fs.existsSync(bin("selected/pids"))));
    await completes("selected");
    const before = serverPids(window).length;
    await window.set({ "fixture.python": "" });
    await eventually("the one on the PATH again", () => assert(serverPids(window).length > before));
    await completes("not_selected");
  });

  scenario("a server that ends at its start is told with its last words", async () => {
    await window.set({ "dsc.server.path": bin("crashes-at-once") });
    const message = await window.message("did not start: exit code 3: the shelf is empty");
    await window.says("error", /the shelf is empty/);
    for (const remedy of ["Run Doctor", "Show Log", "Restart"]) await message.getByText(remedy).waitFor();
    assert.equal(await window.page.locator(".notification-toast").count(), 1, "one message, not several");
    await window.set({ "dsc.server.path": "" });
    await completes("alive_again");
  });

  scenario("a language is switched off and on by the menu", async () => {
    await window.status(/^scripted/);
    await (await window.menu()).filter({ hasText: "Disable for python" }).click();
    await window.says("circle-slash", /switched off for python/);
    await window.toEnd();
    await window.type("off = ");
    await (await window.menu()).filter({ hasText: "Enable for python" }).click();
    await completes("on");
  });

  scenario("everything is switched off and on by a command", async () => {
    await window.command("dsc-lsp: Enable or Disable");
    await window.says("circle-slash", /switched off\./);
    await window.command("dsc-lsp: Enable or Disable");
    await window.status(/^scripted/);
  });

  scenario("a model is chosen from those on the disk, and the server takes it", async () => {
    await window.command("dsc-lsp: Choose a Model");
    await window.quickPick().filter({ hasText: "in use" }).filter({ hasText: "auto" }).waitFor();
    const absent = window.quickPick().filter({ hasText: "deepseek-ai/deepseek-coder-1.3b-base" });
    await absent.filter({ hasText: "2.5 GiB · will be fetched" }).waitFor();
    const before = serverPids(window).length;
    await window.quickPick().filter({ hasText: "starter" }).filter({ hasText: "brings along" }).click();
    await eventually("the server is started anew", () => assert.equal(serverPids(window).length, before + 1));
    assert.equal(window.setting("dsc.model"), "starter");
    await window.status(/^scripted/);
  });

  /** Open the list of models, and see those that a text is in. */
  async function modelChoices(text: string): Promise<void> {
    await window.command("dsc-lsp: Choose a Model");
    await window.quickPick().filter({ hasText: "The small model that dsc-lsp brings along" }).waitFor();
    await window.answer(text);
  }

  /** Ask for a model of the hub by its name. */
  async function fetchModel(name: string): Promise<void> {
    await modelChoices("Another model");
    await window.quickPick().filter({ hasText: "Another model of the hub" }).click();
    await window.page.getByPlaceholder("deepseek-ai/deepseek-coder-1.3b-base").waitFor();
    await window.answer(name);
    await window.press("Enter");
  }

  /** A message about a fetch that failed; it is closed again. */
  async function isTold(...pieces: readonly string[]): Promise<void> {
    const message = await window.message(pieces[0] ?? "");
    for (const piece of pieces) await message.filter({ hasText: piece }).waitFor();
    await message.getByText("Try Again").waitFor();
    await message.hover();
    await message.locator(".codicon-notifications-clear").click();
    await message.waitFor({ state: "hidden" });
  }

  scenario("a model is fetched with progress, stopped, taken up again and used", async () => {
    const slow = "somebody/deepseek-coder-slow-base";
    const cache = path.join(window.folder, "home/cache/huggingface/hub/models--somebody--deepseek-coder-slow-base");
    const before = serverPids(window).length;
    await fetchModel(slow);
    const progress = await window.message(`Fetching ${slow}`);
    // The hub stops at the half.
    await progress.filter({ hasText: "50 % of 11 MB" }).waitFor();
    await window.page.screenshot({ path: "build/fetching.png" });
    await progress.getByText("Cancel").click();
    const stopped = await window.message(`${slow} was not fetched to its end. What is here stays`);
    assert(fs.readdirSync(path.join(cache, "blobs")).some((name) => name.endsWith(".incomplete")));
    assert(!fs.existsSync(path.join(cache, "snapshots")));
    await stopped.getByText("Go On").click();
    await eventually("the server is started anew", () => assert.equal(serverPids(window).length, before + 1));
    assert.equal(window.setting("dsc.model"), slow);
    assert(!fs.readdirSync(path.join(cache, "blobs")).some((name) => name.endsWith(".incomplete")));
    await completes("fetched");
    await modelChoices("slow");
    await window.quickPick().filter({ hasText: slow }).filter({ hasText: "on this disk" }).filter({ hasText: "in use" }).waitFor();
    await window.press("Escape");
  });

  scenario("what keeps a model from being fetched is told with the remedy", async () => {
    await fetchModel("no-name");
    await window.page.getByText("A name on the hub has an owner and a model").waitFor();
    await window.press("Escape");
    await fetchModel("somebody/nothing");
    await isTold("somebody/nothing was not fetched: the hub has no model somebody/nothing", "HF_TOKEN");
    await fetchModel("somebody/deepseek-coder-gated-base");
    await isTold("wants you to accept its terms on the hub", "hf auth login");
    await fetchModel("somebody/deepseek-coder-huge-base");
    await isTold("needs 10000000.0 GB", "Make room, or set HF_HOME to another disk");
    await fetchModel("somebody/deepseek-coder-damaged-base");
    await isTold("arrived damaged and was thrown away", "HF_ENDPOINT names a mirror");
    await fetchModel("somebody/deepseek-coder-pickled-base");
    await isTold("has no *.safetensors", "Look for a safetensors copy");
    await hub.close();
    await fetchModel("somebody/deepseek-coder-tiny-base");
    await isTold("cannot be reached", "Check the network and proxies");
    assert.equal(window.setting("dsc.model"), "somebody/deepseek-coder-slow-base");
  });

  scenario("it says why there is no suggestion, and what was shown and accepted", async () => {
    await window.command("dsc-lsp: Why No Suggestion Here?");
    await window.message(/suggestion/i);
    await completes("counted");
    const before = serverPids(window).length;
    await window.command("dsc-lsp: Restart");
    await eventually("the server is started anew", () => assert.equal(serverPids(window).length, before + 1));
    await window.status(/^scripted/);
    await window.command("dsc-lsp: Statistics");
    await eventually("the counts", async () => assert.match(await window.text(), /"accepted": [1-9]/));
    await window.press("Control+F4");
  });

  scenario("the doctor's findings are shown", async () => {
    await window.command("dsc-lsp: Run Doctor");
    await eventually("findings", async () => assert.match(await window.text(), /ok +dsc-lsp/));
    await window.press("Control+F4");
  });

  scenario("the log is shown", async () => {
    await window.command("dsc-lsp: Show Log");
    await window.page.locator(".panel .view-line").filter({ hasText: "The server's log" }).first().waitFor();
    await window.press("Control+J");
    await window.page.locator(".panel .view-line").first().waitFor({ state: "hidden" });
  });

  scenario("a file on another machine is told once, with what to do", async () => {
    await window.command("Fixture: Open a File Elsewhere");
    await window.message(/not on the machine where dsc-lsp runs.*remote window/);
    await window.says("circle-slash", /is not on the machine where dsc-lsp runs/);
  });
});

test("the status bar shows how far the model is loaded, and that it thinks", () => {
  const gates = fs.mkdtempSync(path.join(bench.folder, "gates-"));
  return inWindow(
    {
      files: { "main.py": "x = 1\n" },
      environment: { SCRIPTED_GATES: gates },
      programs: { "dsc-lsp": serverScript("tests.protocol.scripted_server") },
    },
    async (window) => {
      await window.status(/^dsc: loading 40 %$/);
      await window.says("loading", /Reading the script/);
      fs.writeFileSync(path.join(gates, "thinking"), "");
      fs.writeFileSync(path.join(gates, "loaded"), "");
      await window.status(/^scripted$/);
      await window.toEnd();
      await window.type("y = ");
      await window.says("loading", /scripted is thinking/);
      await window.page.screenshot({ path: "build/thinking.png" });
      fs.rmSync(path.join(gates, "thinking"));
      assert.equal(await window.ghostText(), "answer");
      await window.status(/^scripted \d+ ms$/);
    },
  );
});

test("a suggestion is taken by its word and by its line with VS Code's own commands, and each part is told once", () => {
  const events = path.join(bench.folder, "events");
  return inWindow(
    {
      files: { "main.py": "# é☃😀\n" },
      keys: { "ctrl+alt+l": "editor.action.inlineSuggest.acceptNextLine" },
      environment: { DSC_TEST_EVENTS: events },
      programs: { "dsc-lsp": serverScript("tests.editors.scripted_server") },
    },
    async (window) => {
      await window.status(/^scripted/);
      await window.toEnd();
      await window.type("def ar");
      await eventually("ghost text", async () => assert.match(await window.ghostText(), /^ea\(width, height\):/));
      const isInFile = (text: string): Promise<void> =>
        eventually("it is in the file", async () => {
          await window.save();
          assert.equal(window.read("main.py"), `# é☃😀\n${text}`);
        });
      const isTold = (...parts: readonly string[]): Promise<void> =>
        eventually("it is told", () => {
          const told = fs.readFileSync(events, "utf8").split("\n").filter((event) => event.startsWith("dsc."));
          assert.deepEqual(told, parts);
        });
      const leaves = (rest: RegExp): Promise<void> =>
        eventually("the rest", async () => assert.match(await window.ghostText(), rest));
      // A key that says what the suggestion says takes no part of it.
      await window.type("e");
      await leaves(/^a\(width, height\):/);
      await window.press("Control+ArrowRight");
      await isInFile("def area");
      await leaves(/^\(width, height\):/);
      await window.press("Control+ArrowRight", "Control+ArrowRight");
      await leaves(/^, height/);
      const parts = [1, 1, 5].map((length) => `dsc.partiallyAccepted 1 ${length}`);
      await isTold(...parts);
      await window.press("Control+Alt+L");
      await isInFile("def area(width, height):");
      await isTold(...parts, "dsc.accepted 1");
    },
  );
});

test("what the settings say wrongly is told", () =>
  inWindow(
    {
      files: { "main.py": "x = 1\n" },
      settings: { "dsc.maxLines": "many", "dsc.model": "/nowhere/model" },
      programs: { "dsc-lsp": serverScript("dsc_lsp") },
    },
    async (window) => {
      await window.message(/dsc\.maxLines/);
      await window.says("error", /\/nowhere\/model/);
      await (await window.menu()).filter({ hasText: "Choose a Model" }).filter({ hasText: "/nowhere/model" }).waitFor();
    },
  ));

test("what other tools say of a file is told where the setting wants it, and again to a new server", () => {
  const told = path.join(fs.mkdtempSync(path.join(bench.folder, "told-")), "told");
  const fault = 'reported ["main.py", [0, "Shelf is missing"]]';
  const isTold = (pid: number | undefined): boolean =>
    fs.existsSync(told) && fs.readFileSync(told, "utf8").includes(`${pid} ${fault}`);
  return inWindow(
    {
      files: { "main.py": "x = 1\n" },
      settings: { "dsc.diagnosticsContext": true },
      environment: { SCRIPTED_TOLD: told },
      programs: { "dsc-lsp": serverScript("tests.protocol.scripted_server") },
    },
    async (window) => {
      await window.status(/^scripted/);
      await window.command("Fixture: Find a Fault");
      await eventually("the fault is told", () => assert(isTold(serverPids(window)[0])));
      await window.command("dsc-lsp: Restart");
      await eventually("it is told to the new server", () => assert(isTold(serverPids(window)[1])));
      await window.set({ "dsc.diagnosticsContext": false });
      await window.command("dsc-lsp: Restart");
      await eventually("the third server", () => assert.equal(serverPids(window).length, 3));
      await window.status(/^scripted/);
      await window.toEnd();
      await window.type("y = ");
      assert.equal(await window.ghostText(), "answer");
      assert(!isTold(serverPids(window)[2]), "told without the setting");
    },
  );
});

test("where there is no dsc-lsp it is offered, installed with progress, and works", () =>
  inWindow(
    {
      files: { "main.py": "x = 1\n", ".venv/bin/python": program('echo "No module named dsc_lsp" >&2; exit 1') },
      executables: [".venv/bin/python"],
      // The wheel is the real one; what it needs is taken from the checkout's environment.
      settings: {
        "dsc.install.pipArguments": ["--no-index", "--no-deps", "--force-reinstall"],
        // Whether the installed server suggests is asked, not how sure it is.
        "dsc.minConfidence": 0,
      },
      environment: { PYTHONPATH: sitePackages() },
    },
    async (window) => {
      const message = await window.message("dsc-lsp was not found (the Python of this workspace");
      await message.getByText("Don't Ask Again").waitFor();
      await message.getByText("Install", { exact: true }).click();
      await window.message("Installing dsc-lsp 0.1.0");
      await window.status(/^starter/);
      await window.toEnd();
      await window.type("import ");
      assert.match(await window.ghostText(), /\S/);
    },
  ));

test("in a workspace without trust its Python is not run, and trusting it is offered", () =>
  inWindow(
    {
      files: {
        "main.py": "x = 1\n",
        ".venv/bin/python": serverScript("tests.protocol.scripted_server", true),
        // It may not say which program is run either, trusted or not.
        ".vscode/settings.json": '{ "dsc.server.path": "${workspaceFolder}/.venv/bin/python" }',
      },
      executables: [".venv/bin/python"],
      isUntrusted: true,
    },
    async (window) => {
      const message = await window.message("This workspace is not trusted, so its Python is not run");
      assert(!fs.existsSync(path.join(window.workspace, ".venv/bin/pids")), "it was run");
      await message.getByText("Manage Trust").click();
      await window.page.getByRole("button", { name: "Trust", exact: true }).first().click();
      await window.status(/^scripted/);
    },
  ));

function program(script: string): string {
  return `#!/bin/sh\n${script}\n`;
}

function sitePackages(): string {
  const library = path.join(fs.realpathSync(path.join(ROOT, ".venv")), "lib");
  const [python = ""] = fs.readdirSync(library);
  return path.join(library, python, "site-packages");
}
