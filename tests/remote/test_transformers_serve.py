"""Against a real ``transformers serve`` with the starter; slow, and skipped where there is none.

``install_transformers_serve.sh`` makes one.
"""

import time
from collections.abc import Iterator

import platformdirs
import pytest

from dsc_lsp import doctor
from dsc_lsp.cancel import Cancelled, CancelToken
from dsc_lsp.completion import complete, prompt_at
from dsc_lsp.engine import open_engine
from dsc_lsp.engine.base import Engine, EngineError, GenerationRequest, Prompt, PromptPart
from dsc_lsp.engine.remote.fallback import FallbackEngine
from dsc_lsp.models import BEGIN_OF_TEXT, STARTER_CHECKPOINT
from dsc_lsp.repository import Repository
from dsc_lsp.settings import Parsed, Settings
from tests.remote.places import LOCAL, places
from tests.remote.processes import ServerProcess, free_port

pytestmark = pytest.mark.slow

INSTALLED = platformdirs.user_cache_path("dsc-lsp-tests") / "transformers-serve/bin/python"
RUN = "from transformers.cli.transformers import main; main()"
TOKENS = 16


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    if not INSTALLED.exists():
        pytest.skip("tests/remote/install_transformers_serve.sh has made no environment for it")
    port, folder = free_port(), tmp_path_factory.mktemp("transformers")
    exact = ("--device", "cpu", "--dtype", "float32", "--host", "127.0.0.1", "--port", str(port))
    command = (str(INSTALLED), "-c", RUN, "serve", str(STARTER_CHECKPOINT), *exact)
    server = ServerProcess(
        command, port, folder / "log", {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    )
    server.start()
    yield server
    server.kill()


def settings_for(server: ServerProcess) -> Settings:
    return Settings(
        remote_url=f"{server.root}/v1",
        remote_model=str(STARTER_CHECKPOINT),
        remote_fallback=False,
        remote_seconds=60,
        max_new_tokens=TOKENS,
    )


@pytest.fixture(scope="module")
def engine(server: ServerProcess) -> Iterator[Engine]:
    engine = open_engine(settings_for(server), lambda _message, _percent: None)
    yield engine
    engine.close()


def test_what_it_is_and_how_it_likes_to_be_asked_is_found_out(engine: Engine) -> None:
    assert isinstance(engine, FallbackEngine)
    known = engine.servers[0].acquaintance
    assert known is not None
    assert known.found.server.name == "transformers"
    assert known.vocabulary is not None
    manners = known.manners
    assert (manners.takes_ids, manners.adds_bos, manners.tokenizer_fits) == (False, False, True)


def test_it_says_what_the_local_engine_says(engine: Engine) -> None:
    local = open_engine(LOCAL, lambda _message, _percent: None)
    for cursor in places():
        prompt = prompt_at(cursor, LOCAL, engine)
        assert prompt == prompt_at(cursor, LOCAL, local)
        # Neither healing nor interpolation, which the local engine alone can do.
        request = GenerationRequest(prompt, TOKENS)
        ours = b"".join(token.data for token in local.generate(request, CancelToken()).tokens)
        theirs = b"".join(token.data for token in engine.generate(request, CancelToken()).tokens)
        # It sends text, and of a character that was cut by the last token nothing.
        assert theirs.decode() == ours.decode("utf-8", "ignore")
    local.close()


def test_control_tokens_of_the_users_text_stay_text(engine: Engine) -> None:
    text = f'x = "{BEGIN_OF_TEXT}'
    bos = PromptPart((engine.tokenizer.control(BEGIN_OF_TEXT),), BEGIN_OF_TEXT, control=True)
    prompt = Prompt((bos, PromptPart(engine.tokenizer.encode(text), text)))
    assert list(engine.generate(GenerationRequest(prompt, 4), CancelToken()).tokens)


def test_suggestions_come_through_the_whole_pipeline(engine: Engine) -> None:
    said = [complete(cursor, Repository(), LOCAL, engine, CancelToken()) for cursor in places()]
    assert sum(bool(completion.text) for completion in said) > len(said) / 2


def test_a_cancel_stops_the_server(engine: Engine) -> None:
    prompt = prompt_at(places()[0], LOCAL, engine)
    alone = seconds(engine, prompt)
    cancel = CancelToken()
    generation = engine.generate(GenerationRequest(prompt, 1500), cancel)
    next(generation.tokens)
    cancel.cancel()
    with pytest.raises(Cancelled):
        list(generation.tokens)
    # One request at a time: 1,500 tokens would keep the next one waiting for half a minute.
    assert seconds(engine, prompt) < 3 * alone + 1


def seconds(engine: Engine, prompt: Prompt) -> float:
    """Return how long one token takes."""
    start = time.monotonic()
    assert list(engine.generate(GenerationRequest(prompt, 1), CancelToken()).tokens)
    return time.monotonic() - start


def test_the_doctor_says_what_it_sees(server: ServerProcess) -> None:
    texts = [finding.text for finding in doctor.examine(Parsed(settings_for(server), ()))]
    assert any("is transformers with" in text for text in texts)
    assert any("it takes no token ids; prompts go as text" in text for text in texts)
    assert any(text.startswith("cancel works") for text in texts)


def test_a_model_that_must_be_named_is_asked_for(server: ServerProcess) -> None:
    settings = Settings(remote_url=f"{server.root}/v1", remote_fallback=False)
    engine = open_engine(settings, lambda _message, _percent: None)
    try:
        with pytest.raises(EngineError, match=r"Set `dsc\.remoteModel`"):
            complete(places()[0], Repository(), settings, engine, CancelToken())
    finally:
        engine.close()
