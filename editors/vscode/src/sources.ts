/**
 * What the server cannot see by itself and the settings want it to know: what other tools say of the
 * files that are open.
 *
 * What is copied is not told: VS Code has no event for it, and its clipboard also holds what was
 * copied in other programs, a password, say.
 */

import * as vscode from "vscode";

import * as places from "./places";
import type { Session } from "./session";
import { wantsDiagnostics } from "./settings";

export function tellDiagnostics(session: Session): vscode.Disposable {
  const tell = (documents: readonly vscode.TextDocument[]): void => {
    for (const document of documents) {
      if (!places.isServed(document.uri) || !wantsDiagnostics(document)) continue;
      void session.diagnosed(document.uri, vscode.languages.getDiagnostics(document.uri));
    }
  };
  return vscode.Disposable.from(
    vscode.languages.onDidChangeDiagnostics(({ uris }) => {
      const changed = new Set(uris.map(String));
      tell(vscode.workspace.textDocuments.filter(({ uri }) => changed.has(String(uri))));
    }),
    vscode.workspace.onDidOpenTextDocument((document) => tell([document])),
    session.onDidConfigure(() => tell(vscode.workspace.textDocuments)),
  );
}
