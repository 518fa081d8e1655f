"""Names of other files, looked for in what each method would show."""

import json
from pathlib import Path

import pytest

from dsc_lsp.cli import main
from dsc_lsp.measure.context_holes import context_holes
from dsc_lsp.measure.context_recall import BUDGETS, METHODS, indexed, look_for_names, recall

FILES = {
    "shop/__init__.py": "",
    "shop/prices.py": 'class Prices:\n    def cheapest_of_all(self, limit):\n        """No."""\n',
    "shop/taxes.py": "def rate_for_country(code):\n    return 19\n",
    "shop/main.py": (
        "from shop.prices import Prices\n\n\ndef report(prices: Prices):\n"
        "    return prices.cheapest_of_all(3)\n"
    ),
    "shop/bill.py": "def bill(code, helper):\n    return helper.rate_for_country(code) + code\n",
    "shop/text.py": 'def text(helper):\n    return helper.lower() + "rate_for_country"\n',
}


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    for path, text in FILES.items():
        file = tmp_path / path
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
    return tmp_path / "shop"


def test_a_hole_misses_a_name_that_only_another_file_has(shop: Path) -> None:
    texts = {path.removeprefix("shop/"): text for path, text in FILES.items()}
    holes = context_holes(shop, texts, seed=0, limit=10)
    assert [(hole.path, hole.gold, hole.imported) for hole in holes] == [
        ("main.py", "cheapest_of_all", True),
        ("bill.py", "rate_for_country", False),
    ]
    for hole in holes:
        assert hole.gold not in hole.cursor.document.text
        assert hole.rest.startswith(hole.gold)


SCRIPTS = {
    "index.ts": "export * from './prices';\nexport { rateForCountry } from './taxes';\n",
    "prices.ts": "export class Prices {\n  cheapestOfAll(limit: number) { return limit }\n}\n",
    "taxes.ts": "export function rateForCountry(code: string) {\n  return 19\n}\n",
    "old.js": "exports.roundUpToCents = function (sum) { return sum }\n",
    "main.ts": (
        "import { Prices } from '.';\n\nexport function report(prices: Prices) {\n"
        "  // rateForCountry is not meant here\n  return prices.cheapestOfAll(3).toFixed(2)\n}\n"
    ),
    "bill.js": (
        "const old = require('./old');\nfunction bill(code, helper) {\n"
        "  return helper.rateForCountry(code) +\n    old.roundUpToCents(code)\n}\n"
    ),
}


def test_scripts_have_holes_too(tmp_path: Path) -> None:
    holes = context_holes(tmp_path, SCRIPTS, seed=0, limit=10)
    assert sorted((hole.path, hole.gold, hole.imported) for hole in holes) == [
        ("bill.js", "rateForCountry", False),
        ("bill.js", "roundUpToCents", True),
        ("main.ts", "cheapestOfAll", True),
    ]
    assert [hole.rest for hole in holes if hole.path == "main.ts"] == [
        "cheapestOfAll(3).toFixed(2)"
    ]


def test_what_is_found_is_counted_by_method_and_budget(shop: Path) -> None:
    found = list(look_for_names(indexed(shop), "#{}\n".format, len, seed=0, limit=10))
    assert len(found) == 2
    shares = recall(found)
    assert set(shares) == set(METHODS)
    assert shares["none"] == dict.fromkeys(BUDGETS, 0.0)
    assert shares["dsc"][512] == 100.0
    assert shares["whole imports"][512] == 50.0


def test_a_budget_too_small_for_the_name_does_not_find_it(
    shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dsc_lsp.measure.context_recall.BUDGETS", (5,))
    [imported, other] = look_for_names(indexed(shop), "#{}\n".format, len, seed=0, limit=10)
    assert not any(shares[5] for one in (imported, other) for shares in one.found.values())


def test_the_command_prints_recall_and_times(
    shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["eval", "--context", "--json", "--model", "lookup", str(shop)]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["holes"] == 2
    assert answer["recall"]["dsc"]["2048"] == 100.0
    assert set(answer["assembly_ms"]) == {"p50", "p99"}
    assert answer["groups"]["shop, through an import"]["holes"] == 1
    assert main(["eval", "--context", "--model", "lookup", str(shop)]) == 0
    assert "all, not through an import: 1 holes" in capsys.readouterr().out


def test_a_folder_without_such_names_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1\n")
    assert main(["eval", "--context", "--model", "lookup", str(tmp_path)]) == 2
