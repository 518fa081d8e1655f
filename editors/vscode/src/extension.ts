/** Where everything is put together: the session, the status bar, the commands. */

import * as path from "node:path";

import * as vscode from "vscode";

import { Commands } from "./commands";
import { onPath } from "./find";
import { bundledServer } from "./install";
import { ownPython } from "./installing";
import { tellParts } from "./parts";
import * as places from "./places";
import * as problems from "./problems";
import type { Problem } from "./problems";
import * as pythons from "./pythons";
import { Reports } from "./reports";
import { Session } from "./session";
import { ServerSettings, START_SETTINGS, serverPath } from "./settings";
import { tellDiagnostics } from "./sources";
import { view } from "./status";
import { StatusBar } from "./statusBar";

const NEVER_ASK = "doNotOfferToInstall";

let running: Session | undefined;

export function activate(context: vscode.ExtensionContext): void {
  const log = vscode.window.createOutputChannel("dsc-lsp", { log: true });
  const settings = new ServerSettings(context.extension.packageJSON);
  const session = new Session({
    settings,
    log,
    logFile: path.join(context.logUri.fsPath, "server.log"),
    candidates: async () => ({
      setting: serverPath(),
      pythons: serverPath() === "" ? await pythons.workspacePythons() : [],
      onPath: onPath("dsc-lsp", process.env, distrustedFolders()),
      own: ownPython(context),
    }),
  });
  running = session;
  const bar = new StatusBar();
  const reports = new Reports();
  const tell = (problem: Problem): void => void tellUser(context, problem);
  const commands = new Commands({ context, session, log, reports });

  const showStatus = (): void => {
    const front = places.frontOf(vscode.window.activeTextEditor);
    const { activity } = session;
    const isThinking = activity.kind === "running" && activity.status?.state === "thinking";
    const around = { server: serverLine(session), isTrusted: vscode.workspace.isTrusted };
    bar.show(view(activity, front, around), isThinking);
  };
  const offerUpdate = once(() => {
    const bundled = bundledServer(context.extensionPath);
    const { found } = session;
    if (found?.command.origin !== "own" || bundled === undefined) return;
    if (found.version !== bundled.version) tell(problems.outdated(found.version, bundled.version));
  });
  const elsewhere = new ElsewhereNotice();
  const frontChanged = (editor: vscode.TextEditor | undefined): void => {
    showStatus();
    elsewhere.tellIfNeeded(editor);
  };

  context.subscriptions.push(
    log,
    bar,
    reports,
    commands,
    tellDiagnostics(session),
    tellParts(session),
    session.onDidChange((activity) => {
      showStatus();
      if (activity.kind === "failed") tell(activity.problem);
      if (activity.kind === "running") offerUpdate();
    }),
    vscode.window.onDidChangeActiveTextEditor(frontChanged),
    vscode.workspace.onDidChangeConfiguration((event) => {
      if (!event.affectsConfiguration("dsc")) return;
      showStatus();
      const isOfStart = START_SETTINGS.some((name) => event.affectsConfiguration(name));
      if (isOfStart || settings.needRestart(event)) void session.restart();
    }),
    vscode.workspace.onDidGrantWorkspaceTrust(() => void session.restart()),
  );
  void pythons.onSelection(() => {
    const { activity, found } = session;
    const isOthers = activity.kind === "running" && found?.command.origin !== "python";
    if (!isOthers && serverPath() === "") void session.restart();
  }).then((subscription) => context.subscriptions.push(subscription));
  frontChanged(vscode.window.activeTextEditor);
  void session.restart();
}

export async function deactivate(): Promise<void> {
  await running?.stop();
}

/** Folders whose programs are not run: those of a workspace that is not trusted. */
function distrustedFolders(): readonly string[] {
  if (vscode.workspace.isTrusted) return [];
  return (vscode.workspace.workspaceFolders ?? []).map(({ uri }) => uri.fsPath);
}

function serverLine({ found }: Session): string {
  if (found === undefined) return "";
  const { origin, executable } = found.command;
  return `dsc-lsp ${found.version} from ${problems.place(origin, executable)}`;
}

function once(work: () => void): () => void {
  let isDone = false;
  return () => {
    if (!isDone) work();
    isDone = true;
  };
}

/** Tell what went wrong, once, with a button for each remedy. */
async function tellUser(context: vscode.ExtensionContext, problem: Problem): Promise<void> {
  const never = "Don't Ask Again";
  if (problem.isOffer === true && context.globalState.get(NEVER_ASK) === true) return;
  const titles = problem.remedies.map(({ title }) => title);
  const answer = problem.isOffer
    ? await vscode.window.showWarningMessage(problem.text, ...titles, never)
    : await vscode.window.showErrorMessage(problem.text, ...titles);
  if (answer === never) await context.globalState.update(NEVER_ASK, true);
  const remedy = problem.remedies.find(({ title }) => title === answer);
  if (remedy !== undefined) {
    await vscode.commands.executeCommand(remedy.command, ...(remedy.args ?? []));
  }
}

/** Says once for each file system that its files get no suggestions. */
class ElsewhereNotice {
  private readonly told = new Set<string>();

  tellIfNeeded(editor: vscode.TextEditor | undefined): void {
    const uri = editor?.document.uri;
    if (uri === undefined || this.told.has(uri.scheme) || !places.isElsewhere(uri)) return;
    this.told.add(uri.scheme);
    void vscode.window.showInformationMessage(problems.notAFile(uri.scheme).text);
  }
}

