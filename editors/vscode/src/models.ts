/** Choosing a model: what is on the disk, and fetching what is not. */

import * as vscode from "vscode";

import { type Finished, lastLine, run } from "./processes";
import { progressOf, reasonOf, wrongName } from "./pull";
import type { Session } from "./session";
import { SECTION } from "./settings";

/** What the server's command `dsc.models` answers, one for each model that it knows. */
export interface KnownModel {
  readonly name: string;
  readonly isOnDisk: boolean;
  readonly megabytes: number;
  readonly note: string;
}

export interface Choice extends vscode.QuickPickItem {
  /** The value of `dsc.model`, or who asks for it. */
  readonly value: string | (() => Promise<string | undefined>);
  readonly mustBeFetched: boolean;
}

const OTHER: Choice = {
  label: "$(cloud-download) Another model of the hub…",
  detail: "A DeepSeek-Coder by its name; it is fetched first.",
  value: askForName,
  mustBeFetched: true,
};

const FOLDER: Choice = {
  label: "$(folder) A folder…",
  detail: "With config.json, tokenizer.json and *.safetensors.",
  value: askForFolder,
  mustBeFetched: false,
};

/** Ask for a model, fetch it and set it; a change of the setting starts the server anew. */
export async function chooseModel(session: Session): Promise<void> {
  const canFetch = await serverCanFetch(session);
  const known = await knownModels(session);
  const current = vscode.workspace.getConfiguration(SECTION, null).get("model", "auto");
  const choice = await vscode.window.showQuickPick(choices(known, current, canFetch), {
    title: "dsc-lsp: choose a model",
    placeHolder: canFetch
      ? "Models that are not on this disk are fetched first."
      : "This dsc-lsp cannot fetch models (it has no `pull`); choose one that is on this disk.",
    matchOnDescription: true,
  });
  if (choice === undefined) return;
  const value = typeof choice.value === "string" ? choice.value : await choice.value();
  if (value === undefined) return;
  if (choice.mustBeFetched && !(await fetchModel(session, value, canFetch))) return;
  await vscode.workspace
    .getConfiguration(SECTION, null)
    .update("model", value, vscode.ConfigurationTarget.Global);
  // The server has looked for it before it was there, and no setting has changed.
  if (value === current) await session.restart();
}

/** Return what can be chosen, the current model marked. */
export function choices(
  known: readonly KnownModel[],
  current: string,
  canFetch: boolean,
): readonly Choice[] {
  const always: Choice[] = [
    {
      label: "auto",
      detail: "The best model on this disk that fits the GPU, else the embedded starter.",
      value: "auto",
      mustBeFetched: false,
    },
    {
      label: "starter",
      detail: "The small model that dsc-lsp brings along; needs no GPU.",
      value: "starter",
      mustBeFetched: false,
    },
  ];
  const others = known.map((model) => ({
    label: model.isOnDisk ? model.name : `$(cloud-download) ${model.name}`,
    detail: detailOf(model, canFetch),
    value: model.name,
    mustBeFetched: !model.isOnDisk,
  }));
  const asking = canFetch ? [OTHER, FOLDER] : [FOLDER];
  return [...always, ...others, ...asking].map((choice) =>
    choice.value === current ? { ...choice, description: "in use" } : choice,
  );
}

function detailOf(model: KnownModel, canFetch: boolean): string {
  const size = model.megabytes > 0 ? `${(model.megabytes / 1024).toFixed(1)} GiB` : "";
  const where = model.isOnDisk
    ? "on this disk"
    : canFetch
      ? "will be fetched"
      : `not on this disk: run \`hf download ${model.name}\` in a terminal`;
  return [size, where, model.note].filter((part) => part !== "").join(" · ");
}

async function knownModels(session: Session): Promise<readonly KnownModel[]> {
  if (!session.offers("dsc.models")) return [];
  try {
    return await session.execute<readonly KnownModel[]>("dsc.models");
  } catch {
    return [];
  }
}

async function serverCanFetch({ found }: Session): Promise<boolean> {
  if (found === undefined) return false;
  const { executable, args } = found.command;
  return (await run(executable, [...args, "pull", "--help"], { timeoutSeconds: 30 })).code === 0;
}

async function askForName(): Promise<string | undefined> {
  const name = await vscode.window.showInputBox({
    title: "dsc-lsp: fetch a model",
    prompt: "The model's name on the hub.",
    placeHolder: "deepseek-ai/deepseek-coder-1.3b-base",
    validateInput: (text) => wrongName(text.trim()),
  });
  return name?.trim();
}

async function askForFolder(): Promise<string | undefined> {
  const chosen = await vscode.window.showOpenDialog({
    canSelectFiles: false,
    canSelectFolders: true,
    openLabel: "Use this model",
  });
  return chosen?.[0]?.fsPath;
}

/** Fetch a model with `dsc-lsp pull`; false if it is not there afterwards. */
async function fetchModel(session: Session, name: string, canFetch: boolean): Promise<boolean> {
  if (!canFetch || session.found === undefined) {
    const command = `hf download ${name}`;
    const answer = await vscode.window.showInformationMessage(
      `${name} is not on this disk, and this dsc-lsp cannot fetch it. Run \`${command}\` in a` +
        " terminal, then choose it again.",
      "Copy Command",
    );
    if (answer !== undefined) await vscode.env.clipboard.writeText(command);
    return false;
  }
  const { executable, args } = session.found.command;
  const { code, stderr, failure } = await pull(name, executable, args);
  if (code === 0) return true;
  const isStopped = failure === "it was stopped";
  const again = isStopped ? "Go On" : "Try Again";
  const answer = isStopped
    ? await vscode.window.showInformationMessage(
        `${name} was not fetched to its end. What is here stays, and it goes on from there.`,
        again,
      )
    : await vscode.window.showErrorMessage(
        `${name} was not fetched: ${failure || reasonOf(lastLine(stderr))}`,
        again,
      );
  return answer === again && fetchModel(session, name, canFetch);
}

function pull(name: string, executable: string, args: readonly string[]): Thenable<Finished> {
  return vscode.window.withProgress(
    {
      location: vscode.ProgressLocation.Notification,
      title: `Fetching ${name}`,
      cancellable: true,
    },
    (progress, token) => {
      const stop = new AbortController();
      token.onCancellationRequested(() => stop.abort());
      let done = 0;
      const onLine = (line: string): void => {
        const step = progressOf(line);
        if (step === undefined) return;
        const percent = Math.max(done, step.percent ?? done);
        progress.report({ message: step.message, increment: percent - done });
        done = percent;
      };
      return run(executable, [...args, "pull", name, "--json"], { signal: stop.signal, onLine });
    },
  );
}
