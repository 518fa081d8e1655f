"""An index is one file, whoever opens it first."""

import threading
from pathlib import Path

import pytest

from dsc_lsp.repository.contents import contents_of, packed, structure_in, structure_of
from dsc_lsp.repository.paths import FileState
from dsc_lsp.repository.store import Store


@pytest.mark.parametrize("_turn", range(20))
def test_who_opens_an_index_while_it_is_made_sees_what_others_write(
    tmp_path: Path, _turn: int
) -> None:
    path = tmp_path / "index.sqlite"
    together = threading.Barrier(4)
    stores: list[Store] = []

    def open_one() -> None:
        together.wait()
        stores.append(Store(path))

    threads = [threading.Thread(target=open_one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stores[0].put([(FileState("shop.py", 1, 1), contents_of("x"))])
    assert [store.paths() for store in stores] == [frozenset({"shop.py"})] * 4
    for store in stores:
        store.close()


def test_what_was_put_anew_or_removed_is_found_no_more_and_is_freed(tmp_path: Path) -> None:
    store = Store(tmp_path / "index.sqlite")
    for path, text in (("a.py", "first_word"), ("b.py", "first_word"), ("a.py", "second_word")):
        store.put([(FileState(path, 1, 1), contents_of(text))])
    store.remove(["b.py"])
    assert store.search(["first_word"], 10) == []
    assert [hit.path for hit in store.search(["second_word"], 10)] == ["a.py"]
    assert (store.sweep(), store.sweep()) == (True, True)
    while store.sweep():
        pass
    assert store.chunks_with(["first_word", "second_word"]) == {"second_word": 1}
    assert store.text("a.py") == "second_word"
    store.close()


def test_a_file_is_unparsed_until_its_structure_is_there_and_again_when_it_is_put_anew(
    tmp_path: Path,
) -> None:
    store = Store(tmp_path / "index.sqlite")
    text = "import shop\n\n\ndef total():\n    return shop.total\n"
    structure = structure_of("a.py", text)
    store.put([(FileState("a.py", 1, 1), contents_of(text))])
    assert store.structure("a.py") is None
    (before,) = store.unparsed(0, 10)
    store.put([(FileState("a.py", 2, 2), contents_of(text))])
    store.put_structures([(before.file, packed(structure), " gone ")])
    assert store.structure("a.py") is None, "of a text that is there no more"
    (now,) = store.unparsed(0, 10)
    store.put_structures([(now.file, packed(structure), " shop shopkeeper ")])
    assert store.structure("a.py") == structure
    assert not store.files_with_type("gone", 10)
    assert store.files_with_type("keeper", 10) == [("a.py", " shop shopkeeper ")]
    assert (store.unparsed(0, 10), store.unparsed_count()) == ([], 0)
    store.close()


def test_words_are_put_in_order_by_and_by_and_found_all_the_while(tmp_path: Path) -> None:
    store = Store(tmp_path / "index.sqlite")
    for number in range(40):
        store.put([(FileState(f"m{number}.py", 1, 1), contents_of(f"word_{number} common"))])
    steps = 0
    while store.sweep():
        steps += 1
        assert len(store.search(["common"], 100)) == 40
    assert steps, "else each save waits until that is done"
    assert [hit.path for hit in store.search(["word_7"], 10)] == ["m7.py"]
    store.close()


def test_a_long_structure_is_kept_as_it_is() -> None:
    text = "import shop\n" + "".join(f"def f_{n}(a):\n    return 'é'\n" for n in range(2_000))
    structure = structure_of("a.py", text)
    assert len(structure.outline) == 2_000
    assert structure_in(packed(structure)) == structure
    assert structure_in(packed(structure_of("a.py", ""))) == structure_of("a.py", "")
