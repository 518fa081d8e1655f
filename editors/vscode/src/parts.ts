/**
 * The server is told when a word or a line of a suggestion is taken.
 *
 * VS Code tells extensions so in a proposed API only (`handleDidPartiallyAcceptCompletionItem`), which
 * no published extension may use. So it is known by what it does: the beginning of a suggestion is
 * inserted, and the cursor follows neither a key nor the mouse nor an extension.
 */

import * as vscode from "vscode";

import type { Offer, Session } from "./session";
import { type Offered, type Place, type Suggestion, insert } from "./taken";

const WHOLE = "dsc.accepted";
const PART = "dsc.partiallyAccepted";

export function tellParts(session: Session): vscode.Disposable {
  let offered: Offered | undefined;
  return vscode.Disposable.from(
    session.onDidOffer((offer) => {
      offered = offeredBy(offer);
    }),
    vscode.workspace.onDidChangeTextDocument(({ document, contentChanges }) => {
      if (offered?.place.uri !== String(document.uri) || contentChanges.length === 0) return;
      const [change] = contentChanges;
      const isInsertion = contentChanges.length === 1 && change?.rangeLength === 0;
      offered = isInsertion
        ? insert(offered, placeOf(document, change.range.start), change.text)
        : undefined;
    }),
    vscode.window.onDidChangeTextEditorSelection(({ textEditor, kind }) => {
      const part = offered?.part;
      if (offered === undefined || part === undefined) return;
      if (offered.place.uri !== String(textEditor.document.uri)) return;
      const { place, suggestions } = offered;
      offered = { place, suggestions };
      if (kind !== undefined) return;
      // A server that has ended since counts nothing.
      session.execute(PART, part.number, part.length).catch(() => undefined);
    }),
  );
}

function offeredBy({ document, position, items }: Offer): Offered {
  const suggestions = items.flatMap((item) => suggestionOf(item, document, position));
  return { place: placeOf(document, position), suggestions };
}

/** What an item says behind a position; nothing where it does not begin with what stands before. */
function suggestionOf(
  { insertText, range, command }: vscode.InlineCompletionItem,
  document: vscode.TextDocument,
  position: vscode.Position,
): readonly Suggestion[] {
  const number: unknown = command?.command === WHOLE ? command.arguments?.[0] : undefined;
  if (typeof number !== "number" || typeof insertText !== "string") return [];
  const before = range === undefined ? "" : document.getText(range.with({ end: position }));
  return insertText.startsWith(before) ? [{ number, text: insertText.slice(before.length) }] : [];
}

function placeOf({ uri }: vscode.TextDocument, { line, character }: vscode.Position): Place {
  return { uri: String(uri), line, character };
}
