"""Settings from anywhere: nothing that a client or file says breaks the server."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsc_lsp import settings
from dsc_lsp.settings import Scope, Settings, config_file, merge, read_config_file

DOCUMENTATION = Path(__file__).parents[2] / "docs" / "settings.md"
DEFAULTS = Settings()
FIELDS = settings._FIELDS
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(["dsc"]), inner),
    max_leaves=10,
)
NAMES = st.sampled_from([*FIELDS, *(f"dsc.{name}" for name in FIELDS), "dsc", "noSuch"])


@given(raw=JSON | st.dictionaries(NAMES, JSON), wrapped=st.booleans(), machine=st.booleans())
def test_any_json_gives_settings_within_their_limits(
    raw: object, *, wrapped: bool, machine: bool
) -> None:
    parsed = merge(DEFAULTS, {"dsc": raw} if wrapped else raw, machine=machine)
    for field in dataclasses.fields(Settings):
        value, rule = getattr(parsed.settings, field.name), settings._rule(field)
        assert type(value) is type(field.default)
        assert rule.least is None or rule.least <= value <= rule.most
        assert not rule.choices or value in rule.choices
        if not machine and rule.scope is Scope.MACHINE:
            assert value == field.default
    assert all(problem.strip() for problem in parsed.problems)


@given(key=NAMES, value=JSON)
def test_a_value_is_taken_or_told_about(key: str, value: object) -> None:
    parsed = merge(DEFAULTS, {key: value}, machine=True)
    if key == "dsc":
        return
    field = FIELDS.get(key.removeprefix("dsc."))
    taken = (
        field is not None
        and getattr(parsed.settings, field.name) == value
        # False equals 0 to Python, but no user who writes it means a number.
        and isinstance(value, bool) == isinstance(field.default, bool)
    )
    assert taken != (len(parsed.problems) == 1) or (value is None and field is not None)
    assert not parsed.problems or parsed.settings == DEFAULTS


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param({"maxLines": 5}, id="bare"),
        pytest.param({"dsc": {"maxLines": 5}}, id="in their section"),
        pytest.param({"dsc.maxLines": 5}, id="dotted"),
        pytest.param({"dsc": {"dsc.maxLines": 5}}, id="dotted in their section"),
        pytest.param({"dsc": {"maxLines": 5}, "other": 1}, id="beside those of others"),
    ],
)
def test_settings_are_found_in_every_form(raw: object) -> None:
    assert merge(DEFAULTS, raw, machine=False) == settings.Parsed(Settings(max_lines=5), ())


@pytest.mark.parametrize(
    "raw",
    [None, {}, {"dsc": None}, {"dsc": {}}, {"maxLines": None}, {"dsc": {"model": None}}],
    ids=str,
)
def test_null_and_nothing_change_nothing(raw: object) -> None:
    base = Settings(max_lines=5, model="starter")
    assert merge(base, raw, machine=False) == settings.Parsed(base, ())


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        ({"maxLines": 0}, "`dsc.maxLines` must be a whole number from 1 to 100, not 0."),
        ({"maxLines": 101}, "`dsc.maxLines` must be a whole number from 1 to 100, not 101."),
        ({"maxLines": True}, "`dsc.maxLines` must be a whole number from 1 to 100."),
        ({"maxLines": 5.0}, "`dsc.maxLines` must be a whole number from 1 to 100."),
        ({"maxLines": "5"}, "`dsc.maxLines` must be a whole number from 1 to 100."),
        (
            {"minConfidence": 1.5},
            "`dsc.minConfidence` must be a number from -1.0 to 1.0, not 1.5.",
        ),
        ({"minConfidence": True}, "`dsc.minConfidence` must be a number from -1.0 to 1.0."),
        ({"multiline": "on"}, "`dsc.multiline` must be one of `auto`, `never`, `always`."),
        ({"enabled": 1}, "`dsc.enabled` must be true or false."),
        ({"model": 1}, "`dsc.model` must be a text."),
        ({"model": ["starter"]}, "`dsc.model` must be a text."),
        ([], "The settings under `dsc` must be an object."),
        ("on", "The settings under `dsc` must be an object."),
        ({"dsc": 1}, "The settings under `dsc` must be an object."),
    ],
    ids=str,
)
def test_an_odd_value_keeps_the_old_one(raw: object, problem: str) -> None:
    base = Settings(max_lines=5, enabled=False, model="starter")
    assert merge(base, raw, machine=True) == settings.Parsed(base, (problem,))


def test_a_whole_number_is_a_number() -> None:
    parsed = merge(DEFAULTS, {"minConfidence": 1}, machine=True)
    assert parsed == settings.Parsed(Settings(min_confidence=1.0), ())


def test_an_odd_value_does_not_keep_others_from_being_taken() -> None:
    parsed = merge(DEFAULTS, {"maxLines": 0, "maxNewTokens": 7}, machine=True)
    assert parsed.settings == Settings(max_new_tokens=7)
    assert len(parsed.problems) == 1


def test_an_unknown_name_is_told_with_those_that_are_known() -> None:
    parsed = merge(DEFAULTS, {"maxLine": 5}, machine=True)
    assert parsed.settings == DEFAULTS
    (problem,) = parsed.problems
    assert problem.startswith("Unknown setting `dsc.maxLine`; known are `enabled`, `model`, ")
    assert all(f"`{name}`" in problem for name in FIELDS)


def test_every_odd_value_has_a_message_of_its_own() -> None:
    raw = {"maxLines": 0, "enabled": "yes", "noSuch": 1}
    assert len(merge(DEFAULTS, raw, machine=True).problems) == 3


MACHINE = [name for name, field in FIELDS.items() if settings._rule(field).scope is Scope.MACHINE]


def _another(name: str) -> Any:
    field = FIELDS[name]
    value, choices = field.default, settings._rule(field).choices
    if choices:
        return next(choice for choice in choices if choice != value)
    if isinstance(value, bool):
        return not value
    return "elsewhere" if isinstance(value, str) else value + 1


@pytest.mark.parametrize("name", MACHINE)
def test_a_workspace_cannot_set_what_the_machine_runs(name: str) -> None:
    other = _another(name)
    parsed = merge(DEFAULTS, {name: other}, machine=False)
    assert parsed.settings == DEFAULTS
    (problem,) = parsed.problems
    assert f"`dsc.{name}` cannot be set by a workspace. Set it in your user" in problem
    assert merge(DEFAULTS, {name: other}, machine=True).settings != DEFAULTS


@pytest.mark.parametrize("name", MACHINE)
def test_a_workspace_may_say_again_what_is_set(name: str) -> None:
    same = getattr(DEFAULTS, FIELDS[name].name)
    assert merge(DEFAULTS, {name: same}, machine=False) == settings.Parsed(DEFAULTS, ())


def test_what_a_workspace_must_not_set_is_marked() -> None:
    assert {"model", "device", "contextTokens"} <= set(MACHINE)


def test_the_last_one_wins() -> None:
    first = merge(DEFAULTS, {"maxLines": 5, "maxNewTokens": 5}, machine=True).settings
    assert merge(first, {"maxLines": 6}, machine=True).settings == Settings(
        max_lines=6, max_new_tokens=5
    )


def test_a_configuration_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text('model = "starter"\nmaxLines = 5\n')
    assert read_config_file(file, DEFAULTS) == settings.Parsed(
        Settings(model="starter", max_lines=5), ()
    )
    file.write_text('[dsc]\nmodel = "starter"\n')
    assert read_config_file(file, DEFAULTS).settings == Settings(model="starter")


def test_no_configuration_file_changes_nothing(tmp_path: Path) -> None:
    parsed = read_config_file(tmp_path / "config.toml", DEFAULTS)
    assert parsed == settings.Parsed(DEFAULTS, ())


@pytest.mark.parametrize("content", [b"model = ", b"\xff\xfe", b"= 1", b"model = 1979-05-27T"])
def test_a_broken_configuration_file_is_told(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "config.toml"
    file.write_bytes(content)
    parsed = read_config_file(file, DEFAULTS)
    assert parsed.settings == DEFAULTS
    (problem,) = parsed.problems
    assert problem.startswith(f"The configuration file {file} was not read: ")


def test_a_directory_in_its_place_is_told(tmp_path: Path) -> None:
    (problem,) = read_config_file(tmp_path, DEFAULTS).problems
    assert str(tmp_path) in problem


def test_a_date_in_the_configuration_file_is_an_odd_value(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text("model = 1979-05-27")
    parsed = read_config_file(file, DEFAULTS)
    assert parsed == settings.Parsed(DEFAULTS, ("`dsc.model` must be a text.",))


def test_the_configuration_file_is_the_users() -> None:
    assert config_file().parts[-2:] == ("dsc-lsp", "config.toml")


def test_the_schema_lists_every_setting() -> None:
    schema = settings.schema()
    assert json.loads(json.dumps(schema)) == schema
    assert list(schema) == [f"dsc.{name}" for name in FIELDS]
    for name, field in FIELDS.items():
        entry = schema[f"dsc.{name}"]
        assert entry["default"] == field.default
        kinds = {bool: "boolean", int: "integer", str: "string", float: "number"}
        assert entry["type"] == kinds[type(field.default)]
        assert entry["markdownDescription"]
        assert entry["scope"] == ("machine" if name in MACHINE else "resource")
        if entry["type"] in {"integer", "number"}:
            assert entry["minimum"] <= field.default <= entry["maximum"]


def test_the_documentation_is_up_to_date(*, update: bool) -> None:
    if update:
        DOCUMENTATION.write_text(settings.documentation(), encoding="utf-8")
    assert DOCUMENTATION.read_text(encoding="utf-8") == settings.documentation(), (
        "run `pytest --update` and read the diff"
    )


def test_the_documentation_lists_every_setting() -> None:
    for name in FIELDS:
        assert f"| `dsc.{name}` |" in settings.documentation()
