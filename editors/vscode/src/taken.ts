/** Which part of a suggestion was taken, where less than the whole was. */

/** A suggestion, or what is left of it. */
export interface Suggestion {
  /** By which its server knows it. */
  readonly number: number;
  readonly text: string;
}

export interface Place {
  /** Of the document. */
  readonly uri: string;
  readonly line: number;
  readonly character: number;
}

/** Suggestions at a place, and the part of one that was inserted there last. */
export interface Offered {
  readonly place: Place;
  readonly suggestions: readonly Suggestion[];
  readonly part?: Part;
}

export interface Part {
  readonly number: number;
  /** In UTF-16 code units. */
  readonly length: number;
}

/** What is left once a text is inserted at a place; nothing if no suggestion goes on behind it. */
export function insert(offered: Offered, place: Place, text: string): Offered | undefined {
  const { uri, line, character } = offered.place;
  if (place.uri !== uri || place.line !== line || place.character !== character) return undefined;
  const inserted = withoutReturns(text);
  const left = offered.suggestions.flatMap(({ number, text: offer }) => {
    const whole = withoutReturns(offer);
    const goesOn = whole.startsWith(inserted) && whole.length > inserted.length;
    return goesOn ? [{ number, text: whole.slice(inserted.length) }] : [];
  });
  const [first] = left;
  if (first === undefined) return undefined;
  return {
    place: behind(place, inserted),
    suggestions: left,
    part: { number: first.number, length: inserted.length },
  };
}

function behind({ uri, line, character }: Place, text: string): Place {
  const lines = text.split("\n");
  const last = lines.at(-1) ?? "";
  return lines.length === 1
    ? { uri, line, character: character + text.length }
    : { uri, line: line + lines.length - 1, character: last.length };
}

function withoutReturns(text: string): string {
  return text.replaceAll("\r\n", "\n");
}
