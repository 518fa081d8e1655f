/** What is said while a model is fetched. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { progressOf, reasonOf, wrongName } from "../../src/pull";

describe("a line of `pull --json`", () => {
  test("tells how much is here", () => {
    const line = '{"done": 1250000000, "total": 2700000000}';
    assert.deepEqual(progressOf(line), { percent: 46, message: "46 % of 2.7 GB" });
    assert.deepEqual(progressOf('{"done": 0, "total": 41}'), { percent: 0, message: "0 % of 1 MB" });
  });

  test("tells that another program is fetching the same", () => {
    assert.match(progressOf('{"waiting": true}')?.message ?? "", /another program/);
  });

  for (const line of ['{"path": "/x"}', "words", "", "null", "3", '{"done": 0, "total": 0}']) {
    test(`tells no progress with ${JSON.stringify(line)}`, () => assert.equal(progressOf(line), undefined));
  }
});

test("a reason is the program's own words without its name", () => {
  assert.equal(reasonOf("dsc-lsp: the hub has no model a/b."), "the hub has no model a/b.");
  assert.equal(reasonOf("dsc-lsp pull: unrecognized arguments: --json"), "unrecognized arguments: --json");
});

test("a name on the hub has an owner and a model", () => {
  assert.equal(wrongName("deepseek-ai/deepseek-coder-1.3b-base"), undefined);
  for (const name of ["", "model", "a/b/c", "./model", "/models/x", "a b/c"]) assert.match(wrongName(name) ?? "", /owner/);
});
