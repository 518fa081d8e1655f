/** Which part of a suggestion was taken. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { type Offered, insert } from "../../src/taken";

const PLACE = { uri: "file:///a.py", line: 2, character: 6 };

function offered(...texts: readonly string[]): Offered {
  return { place: PLACE, suggestions: texts.map((text, index) => ({ number: index + 1, text })) };
}

describe("what is inserted where a suggestion stands", () => {
  test("is a part of it, with a length in UTF-16 units, and the rest stands behind", () => {
    assert.deepEqual(insert(offered("é😀 = 1"), PLACE, "é😀"), {
      place: { ...PLACE, character: 9 },
      suggestions: [{ number: 1, text: " = 1" }],
      part: { number: 1, length: 3 },
    });
  });

  test("leaves the rest on the last of its lines", () => {
    const left = insert(offered("a:\n    return b"), PLACE, "a:\r\n    return");
    assert.deepEqual(left?.place, { ...PLACE, line: 3, character: 10 });
    assert.deepEqual(left?.part, { number: 1, length: 13 });
  });

  test("is of the suggestion that goes on behind it", () => {
    const left = insert(offered("one", "two words"), PLACE, "two");
    assert.deepEqual(left?.suggestions, [{ number: 2, text: " words" }]);
    assert.equal(left?.part?.number, 2);
  });

  test("is no part where it is the whole, something else, or elsewhere", () => {
    assert.equal(insert(offered("one"), PLACE, "one"), undefined);
    assert.equal(insert(offered("one"), PLACE, "on!"), undefined);
    for (const elsewhere of [{ uri: "file:///b.py" }, { line: 1 }, { character: 5 }]) {
      assert.equal(insert(offered("one"), { ...PLACE, ...elsewhere }, "on"), undefined);
    }
  });
});
