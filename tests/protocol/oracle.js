// Random edits of random documents, and what vscode-languageserver-textdocument makes of them.
// Arguments: the folder of the package, the number of edits, a seed. Writes a line of JSON for
// each document and each edit; positions are given in the three encodings, and the text that
// must come out as its SHA-1.
"use strict";
const { createHash } = require("crypto");
const [, , folder, count, seed] = process.argv;
const { TextDocument } = require(folder);

let state = Number(seed) >>> 0;
function random(limit) {
  // mulberry32
  state = (state + 0x6d2b79f5) >>> 0;
  let t = state;
  t = Math.imul(t ^ (t >>> 15), t | 1);
  t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
  return ((t ^ (t >>> 14)) >>> 0) % limit;
}

const LETTERS = ["a", "b", " ", "(", "é", "ß", "價", "→", "😀", "𝒳", "\u2028", "\u0085", "\f", "\v", "\t"];
const BREAKS = ["\n", "\n", "\r\n", "\r", "\r\r\n", "\n\r"];

function text(limit) {
  let made = "";
  for (let left = random(limit + 1); left > 0; left--) {
    made += random(6) ? LETTERS[random(LETTERS.length)] : BREAKS[random(BREAKS.length)];
  }
  return made;
}

function units(string) {
  return [string.length, Buffer.byteLength(string, "utf8"), [...string].length];
}

// A position in [utf-16, utf-8, utf-32]; some lie past the end of a line or of the document.
function position(document) {
  const line = random(document.lineCount + (random(10) ? 0 : 3));
  if (line >= document.lineCount) {
    return [0, 1, 2].map(() => ({ line, character: random(5) }));
  }
  const start = document.offsetAt({ line, character: 0 });
  const next = document.offsetAt({ line: line + 1, character: 0 });
  const content = document.getText().slice(start, next).replace(/[\r\n]+$/, "");
  const letters = [...content];
  const before = letters.slice(0, random(letters.length + 1)).join("");
  const past = before === content && !random(3) ? random(4) : 0;
  return units(before).map((character) => ({ line, character: character + past }));
}

let edits = 0;
while (edits < Number(count)) {
  let document = TextDocument.create("file:///a", "x", 0, text(120));
  console.log(JSON.stringify({ text: document.getText() }));
  for (let version = 1; version <= 40 && edits < Number(count); version++, edits++) {
    // Read anew for each edit: the package's index keeps a \r and a \n that an edit brings together
    // as two breaks, while a fresh document takes them for one.
    document = TextDocument.create("file:///a", "x", version - 1, document.getText());
    const start = position(document);
    const end = random(3) ? start : position(document);
    const inserted = text(random(3) ? 3 : 30);
    const range = { start: start[0], end: end[0] };
    document = TextDocument.update(document, [{ range, text: inserted }], version);
    const digest = createHash("sha1").update(document.getText(), "utf8").digest("hex");
    console.log(JSON.stringify({ start, end, text: inserted, digest }));
  }
}
