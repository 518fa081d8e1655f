/** The server of this window: found, started, watched, started again; one at a time. */

import { type ChildProcess, spawn } from "node:child_process";
import * as os from "node:os";
import * as path from "node:path";

import * as vscode from "vscode";
import {
  CloseAction,
  ErrorAction,
  LanguageClient,
  type LanguageClientOptions,
  RevealOutputChannelOn,
  State,
} from "vscode-languageclient/node";

import { Crashes } from "./crashes";
import { type Candidates, type Found, findServer } from "./find";
import * as places from "./places";
import * as problems from "./problems";
import type { Problem } from "./problems";
import { lastLine, pythonEnvironment, spawnFailure } from "./processes";
import { SECTION, type ServerSettings, serverArguments, showsPopups } from "./settings";
import type { Activity, ServerStatus } from "./status";

const START_SECONDS = 60;
const END_MILLISECONDS = 2_000;
const STDERR_CHARACTERS = 10_000;
const LOADING_TOKEN = "dsc-lsp/loading";

export interface SessionOptions {
  readonly settings: ServerSettings;
  readonly log: vscode.LogOutputChannel;
  readonly logFile: string;
  readonly candidates: () => Promise<Candidates>;
}

/** What was suggested at a place. */
export interface Offer {
  readonly document: vscode.TextDocument;
  readonly position: vscode.Position;
  readonly items: readonly vscode.InlineCompletionItem[];
}

/** Owns the server; everything that starts or stops it waits for its turn. */
export class Session implements vscode.Disposable {
  /** The server that runs or ran last. */
  found: Found | undefined;
  activity: Activity = { kind: "stopped" };

  private readonly changed = new vscode.EventEmitter<Activity>();
  readonly onDidChange = this.changed.event;

  private readonly configured = new vscode.EventEmitter<void>();
  /** A server has been told the settings. */
  readonly onDidConfigure = this.configured.event;

  private readonly offered = new vscode.EventEmitter<Offer>();
  /** VS Code was given suggestions for a text that has not changed since. */
  readonly onDidOffer = this.offered.event;

  private readonly crashes = new Crashes();
  private client: QuietClient | undefined;
  private turn: Promise<void> = Promise.resolve();

  constructor(private readonly options: SessionOptions) {}

  /** Start the server, after stopping one that runs; never rejects. */
  restart(): Promise<void> {
    this.crashes.forget();
    return this.inTurn(async () => {
      await this.stopClient();
      await this.start(false);
    });
  }

  stop(): Promise<void> {
    return this.inTurn(async () => {
      await this.stopClient();
      this.become({ kind: "stopped" });
    });
  }

  /** Show something else than a server while `work` is done, which may stop and start it. */
  become(activity: Activity): void {
    this.activity = activity;
    this.changed.fire(activity);
  }

  /** Whether the server offers a command. */
  offers(command: string): boolean {
    const provider = this.client?.initializeResult?.capabilities.executeCommandProvider;
    return this.activity.kind === "running" && (provider?.commands.includes(command) ?? false);
  }

  /** Run a command of the server; only one that it offers. */
  async execute<T>(command: string, ...args: readonly unknown[]): Promise<T> {
    if (this.client === undefined) throw new Error(`no server for ${command}`);
    return this.client.sendRequest("workspace/executeCommand", { command, arguments: args });
  }

  /** Tell the server what other tools say of a document; never rejects. */
  async diagnosed(uri: vscode.Uri, found: readonly vscode.Diagnostic[]): Promise<void> {
    const client = this.client;
    if (client?.isRunning() !== true) return;
    try {
      const { asUri, asDiagnostics } = client.code2ProtocolConverter;
      const diagnostics = await asDiagnostics([...found]);
      await client.sendNotification("dsc/diagnostics", { uri: asUri(uri), diagnostics });
    } catch (error) {
      this.options.log.warn(String(error));
    }
  }

  dispose(): Promise<void> {
    return this.stop();
  }

  private inTurn(work: () => Promise<void>): Promise<void> {
    this.turn = this.turn.then(work).catch((error: unknown) => {
      this.options.log.error(error instanceof Error ? error : String(error));
    });
    return this.turn;
  }

  private async start(isAgain: boolean): Promise<void> {
    this.become({ kind: "searching" });
    const found = await this.find();
    if (found === undefined) return;
    this.become({ kind: "starting", isAgain });
    const client = this.makeClient(found);
    const failure = await client.startWithin(START_SECONDS);
    if (failure !== undefined) {
      await client.end();
      this.fail(problems.failedAtStart(found.command.executable, failure));
      return;
    }
    this.client = client;
    this.become({ kind: "running", status: client.lastStatus });
    client.onCrash = (reason) => void this.inTurn(() => this.afterCrash(client, reason));
  }

  private async find(): Promise<Found | undefined> {
    const candidates = await this.options.candidates();
    const found = await findServer(candidates);
    if (!("command" in found)) {
      for (const { command, reason } of found) {
        this.options.log.warn(`${problems.place(command.origin, command.executable)}: ${reason}`);
      }
      const [first] = found;
      this.fail(
        first?.command.origin === "setting"
          ? problems.wrongSetting(first)
          : problems.notFound(found, vscode.workspace.isTrusted),
      );
      return undefined;
    }
    this.found = found;
    const { executable, args, origin } = found.command;
    this.options.log.info(`dsc-lsp ${found.version} from ${problems.place(origin, executable)}`);
    this.options.log.info([executable, ...args].join(" "));
    this.options.log.info(`The server's log: ${vscode.Uri.file(this.options.logFile)}`);
    return found;
  }

  private async afterCrash(client: QuietClient, reason: string): Promise<void> {
    if (client !== this.client) return;
    this.client = undefined;
    await client.end();
    this.options.log.error(`The server ended: ${reason}`);
    if (this.crashes.mayRestart(Date.now())) {
      await this.start(true);
    } else {
      this.fail(problems.crashedTooOften(reason));
    }
  }

  private fail(problem: Problem): void {
    this.options.log.error(problem.text);
    this.become({ kind: "failed", problem });
  }

  private async stopClient(): Promise<void> {
    const client = this.client;
    this.client = undefined;
    await client?.end();
  }

  private makeClient(found: Found): QuietClient {
    const client: QuietClient = new QuietClient(
      {
        executable: found.command.executable,
        args: [
          ...[...found.command.args, "--stdio", "--log-file", this.options.logFile],
          ...serverArguments(),
        ],
      },
      this.clientOptions(),
      (status) => {
        if (client === this.client) this.become({ kind: "running", status });
      },
    );
    return client;
  }

  private clientOptions(): LanguageClientOptions {
    const { settings, log } = this.options;
    return {
      documentSelector: [...places.DOCUMENT_SELECTOR],
      outputChannel: log,
      revealOutputChannelOn: RevealOutputChannelOn.Never,
      initializationOptions: () => settings.ofUser(),
      middleware: {
        provideInlineCompletionItems: async (document, position, context, token, next) => {
          if (!places.isOn(document)) return [];
          const { version } = document;
          const answer = await next(document, position, context, token);
          const items = Array.isArray(answer) ? answer : (answer?.items ?? []);
          if (document.version === version) this.offered.fire({ document, position, items });
          return answer;
        },
        provideCompletionItem: (document, position, context, token, next) =>
          places.isOn(document) && showsPopups(document)
            ? next(document, position, context, token)
            : [],
        handleWorkDoneProgress: (token, params, next) => {
          // The status bar item shows it.
          if (token !== LOADING_TOKEN) next(token, params);
        },
        workspace: {
          configuration: async (params, token, next) => {
            const answers: unknown[] = [];
            for (const item of params.items) {
              const resource = item.scopeUri === undefined ? undefined : vscode.Uri.parse(item.scopeUri);
              const others = item.section === SECTION ? undefined : await next({ items: [item] }, token);
              answers.push(Array.isArray(others) ? others[0] : settings.ofWorkspace(resource));
            }
            // The server takes them before it looks at what comes behind.
            this.configured.fire();
            return answers;
          },
        },
      },
    };
  }
}

/** A language client that leaves it to its session to tell the user what went wrong. */
class QuietClient extends LanguageClient {
  lastStatus: ServerStatus | undefined;
  /** Called once if the server ends by itself, with the reason. */
  onCrash: (reason: string) => void = () => undefined;

  private readonly server: Server;
  private isEnding = false;

  constructor(
    command: { readonly executable: string; readonly args: readonly string[] },
    options: LanguageClientOptions,
    onStatus: (status: ServerStatus) => void,
  ) {
    const server: Server = { process: undefined, stderr: "" };
    super("dsc-lsp", "dsc-lsp", () => spawnServer(command, server), {
      ...options,
      errorHandler: {
        error: () => ({ action: ErrorAction.Continue, handled: true }),
        closed: () => {
          void this.closed();
          return { action: CloseAction.DoNotRestart, handled: true };
        },
      },
      initializationFailedHandler: () => false,
    });
    this.server = server;
    this.registerFeature({
      fillClientCapabilities: (capabilities) => {
        capabilities.experimental = { ...capabilities.experimental, dscStatus: true };
      },
      initialize: () => undefined,
      getState: () => ({ kind: "static" }),
      clear: () => undefined,
    });
    this.onNotification("dsc/status", (status: ServerStatus) => {
      this.lastStatus = status;
      onStatus(status);
    });
  }

  /** Start the server; returns why it did not, if it did not. */
  async startWithin(seconds: number): Promise<string | undefined> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<string>((resolve) => {
      timer = setTimeout(() => resolve(`it did not answer within ${seconds} s`), seconds * 1000);
    });
    const started = this.start().then(
      () => undefined,
      async (error: unknown) => (await this.reason()) || String(error),
    );
    try {
      return await Promise.race([started, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Stop the server, by force if it does not end in time; never rejects. */
  async end(): Promise<void> {
    this.isEnding = true;
    try {
      if (this.state === State.Running || this.state === State.Starting) await this.stop(3_000);
    } catch {
      // It hangs or is gone already.
    }
    // Asked to end, it still writes its statistics.
    await ended(this.server.process, END_MILLISECONDS);
    this.server.process?.kill("SIGKILL");
    try {
      await this.dispose();
    } catch {
      // It was never started.
    }
  }

  override error(message: string, data?: unknown): void {
    super.error(message, data, false);
  }

  private async closed(): Promise<void> {
    const reason = await this.reason();
    if (!this.isEnding) this.onCrash(reason);
  }

  /** Return how the process ended, once it has. */
  private async reason(): Promise<string> {
    const child = this.server.process;
    if (child === undefined) return "";
    await ended(child, END_MILLISECONDS);
    const last = lastLine(this.server.stderr);
    const how =
      child.signalCode === null ? `exit code ${child.exitCode}` : `ended by ${child.signalCode}`;
    return last === "" ? how : `${how}: ${last}`;
  }
}

/** Wait for the end of a process, but not for long. */
function ended(child: ChildProcess | undefined, milliseconds: number): Promise<void> {
  return new Promise((resolve) => {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) {
      resolve();
      return;
    }
    const timer = setTimeout(resolve, milliseconds);
    child.once("close", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

interface Server {
  process: ChildProcess | undefined;
  stderr: string;
}

function spawnServer(
  command: { readonly executable: string; readonly args: readonly string[] },
  server: Server,
): Promise<ChildProcess> {
  return new Promise((resolve, reject) => {
    const child = spawn(command.executable, command.args, {
      cwd: os.homedir(),
      env: pythonEnvironment(),
      windowsHide: true,
    });
    server.process = child;
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      server.stderr = (server.stderr + text).slice(-STDERR_CHARACTERS);
    });
    child.once("spawn", () => resolve(child));
    child.once("error", (error) =>
      reject(new Error(`${path.basename(command.executable)}: ${spawnFailure(error)}`)),
    );
  });
}
