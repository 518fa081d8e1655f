/** In which files suggestions are made, and switching them on and off. */

import * as vscode from "vscode";

import { languageIsOn, withLanguage } from "./languages";
import { SECTION } from "./settings";
import type { Front } from "./status";

/** Files on the machine on which this extension runs, and texts that are nowhere yet. */
const SERVED = ["file", "untitled", "vscode-notebook-cell"] as const;

/** VS Code's own documents, which nobody expects suggestions in. */
const INTERNAL = /^(vscode-(?!vfs|remote)|output|git|debug|comment|walkThrough|search-editor|dsc-lsp)/;

export const DOCUMENT_SELECTOR = SERVED.map((scheme) => ({ scheme }));

export function isServed(uri: vscode.Uri): boolean {
  return SERVED.some((scheme) => scheme === uri.scheme);
}

/** Whether a file is one that its user edits and we cannot serve. */
export function isElsewhere(uri: vscode.Uri): boolean {
  return (
    !isServed(uri) &&
    !INTERNAL.test(uri.scheme) &&
    vscode.workspace.fs.isWritableFileSystem(uri.scheme) !== undefined
  );
}

export function frontOf(editor: vscode.TextEditor | undefined): Front {
  const document = editor?.document;
  if (document === undefined) {
    return {
      language: undefined,
      scheme: undefined,
      off: isEnabled(undefined) ? undefined : "everywhere",
    };
  }
  return {
    language: document.languageId,
    scheme: document.uri.scheme,
    off: whyOff(document),
  };
}

/** Whether suggestions are made in a document. */
export function isOn(document: vscode.TextDocument): boolean {
  return whyOff(document) === undefined;
}

function whyOff(document: vscode.TextDocument): Front["off"] {
  if (isElsewhere(document.uri)) return "elsewhere";
  if (!isEnabled(document)) return "everywhere";
  return languageIsOn(switches(document), document.languageId) ? undefined : "language";
}

export function isEnabled(document: vscode.TextDocument | undefined): boolean {
  return configuration(document).get("enabled", true);
}

/** Switch suggestions on or off in all files of this user. */
export async function toggleEverywhere(): Promise<void> {
  const document = vscode.window.activeTextEditor?.document;
  await configuration(document).update("enabled", !isEnabled(document), target("enabled", document));
}

/** Switch suggestions on or off in the language of the file in front. */
export async function toggleLanguage(): Promise<void> {
  const document = vscode.window.activeTextEditor?.document;
  if (document === undefined) {
    void vscode.window.showInformationMessage("Open a file of the language first.");
    return;
  }
  const language = document.languageId;
  const isOnNow = languageIsOn(switches(document), language);
  await configuration(document).update(
    "languages",
    withLanguage(switches(document), language, !isOnNow),
    target("languages", document),
  );
}

/** Where a setting is changed: where it is set now, so that the change takes effect. */
function target(
  name: string,
  document: vscode.TextDocument | undefined,
): vscode.ConfigurationTarget {
  const found = configuration(document).inspect(name);
  if (found?.workspaceFolderValue !== undefined) return vscode.ConfigurationTarget.WorkspaceFolder;
  if (found?.workspaceValue !== undefined) return vscode.ConfigurationTarget.Workspace;
  return vscode.ConfigurationTarget.Global;
}

function switches(document: vscode.TextDocument | undefined): Record<string, boolean> {
  return configuration(document).get<Record<string, boolean>>("languages", {});
}

function configuration(
  document: vscode.TextDocument | undefined,
): vscode.WorkspaceConfiguration {
  return vscode.workspace.getConfiguration(SECTION, document?.uri ?? null);
}
