/** Suggestions: shown, taken, chosen among several. */

import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as path from "node:path";
import { test } from "node:test";

import { inWindow, theBench } from "./bench";
import type { SharedWindow } from "./sharedWindow";
import { eventually, serverScript } from "./window";

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

export function suggestions({ scenario, completes }: SharedWindow): void {
  scenario("ghost text is accepted with Tab, and undone at once", async (window) => {
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

  scenario("a popup and ghost text that goes on from its selected item stand side by side", async (window) => {
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

  scenario("the next and the previous suggestion are shown by VS Code's own keys", async (window) => {
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

test("a bracket that VS Code closes is typed along: the suggestion goes on between, and is the same one", () => {
  const events = path.join(theBench().folder, "events-of-brackets");
  return inWindow(
    {
      files: { "main.py": "# sum\n" },
      environment: { DSC_TEST_EVENTS: events },
      programs: { "dsc-lsp": serverScript("tests.editors.scripted_server") },
    },
    async (window) => {
      await window.status(/^scripted/);
      await window.toEnd();
      const shows = (text: string): Promise<void> =>
        eventually(`${text} is shown`, async () => assert.equal(await window.ghostText(), text));
      await window.type("tot");
      await shows("al = sum(item.price for item in items)");
      await window.type("al = sum(");
      await shows("item.price for item in items");
      await window.press("Tab", "Escape");
      await window.save();
      await eventually("it is in the file, with one closing bracket", () =>
        assert.equal(window.read("main.py"), "# sum\ntotal = sum(item.price for item in items)"),
      );
      await eventually("it is accepted as the first suggestion", () => {
        const told = fs.readFileSync(events, "utf8").split("\n").filter((event) => event.startsWith("dsc."));
        assert.deepEqual(told, ["dsc.accepted 1"]);
      });
    },
  );
});

test("a suggestion is taken by its word and by its line with VS Code's own commands, and each part is told once", () => {
  const events = path.join(theBench().folder, "events");
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
