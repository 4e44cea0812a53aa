"""Vectors from a server that speaks like OpenAI, over real HTTP."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import numpy as np
import pytest
from fake_models import FakeModels, Fault, Reply, Says, fake_models
from fake_replies import embeddings

from guildhall.agents.models import embedding_api
from guildhall.agents.models.clients import compatible
from guildhall.agents.models.embedding_api import EmbeddingAPI
from guildhall.errors import ProviderError

KEY = "secret-" + "k" * 30
Made = Callable[..., EmbeddingAPI]


@pytest.fixture
def server() -> Iterator[FakeModels]:
    with fake_models() as server:
        yield server


@pytest.fixture
def made() -> Iterator[Made]:
    """An embedder over a server, which lets go of its connections in the end."""
    with ExitStack() as closing:

        def made(server: FakeModels, name: str = "openai-compatible:small", **more: Any) -> EmbeddingAPI:
            embedder = EmbeddingAPI(name, compatible(KEY, f"{server.url}/v1"), **more)
            closing.callback(embedder.close)
            return embedder

        yield made


def inputs(server: FakeModels) -> list[list[str]]:
    """The texts of each request."""
    return [request.body["input"] for request in server.requests]


def failed(embedder: EmbeddingAPI, *texts: str) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        embedder.embed(texts)
    return caught.value


def test_each_text_gets_a_row_of_unit_length_in_its_order(made: Made, server: FakeModels) -> None:
    rows = made(server).embed(["the cat sat", "the database", "the cat sat"])
    assert rows.shape == (3, 8)
    assert rows.dtype == np.float32
    assert np.linalg.norm(rows, axis=1) == pytest.approx([1, 1, 1], abs=1e-6)
    assert np.array_equal(rows[0], rows[2])
    assert not np.array_equal(rows[0], rows[1])
    assert (
        server.requests[-1].headers["authorization"] == f"bearer {KEY}"
    )  # the server reads in small letters


def test_the_order_of_a_reply_is_that_of_its_numbers(made: Made) -> None:
    def shuffled(body: dict[str, Any], api: str) -> Says:
        whole = embeddings(body, Says())
        return Says(sent={**whole, "data": whole["data"][::-1]})

    with fake_models(shuffled) as server, fake_models() as straight:
        texts = ["cat", "database", "friday"]
        assert np.array_equal(made(server).embed(texts), made(straight).embed(texts))


def test_the_id_has_the_model_and_how_long_its_vectors_are(made: Made, server: FakeModels) -> None:
    own, shorter = made(server), made(server, dimensions=4)
    own.load()
    assert (own.id, own.size) == ("openai-compatible:small:8", 8)
    asked = len(server.requests)
    shorter.load()
    assert (shorter.id, len(server.requests)) == ("openai-compatible:small:4", asked)
    assert shorter.embed(["cat"]).shape == (1, 4)
    assert server.requests[-1].body["dimensions"] == 4
    assert "dimensions" not in server.requests[0].body


def test_a_request_has_no_more_texts_and_bytes_than_the_api_takes(made: Made, server: FakeModels) -> None:
    embedder = made(server, dimensions=8)
    texts = [f"text {number}" for number in range(300)] + ["é" * 9_000] * 40 + ["", "\ud800"]
    assert embedder.embed(texts).shape == (342, 8)
    parts = inputs(server)
    assert sum(map(len, parts)) == 342
    assert len(parts[0]) == 256
    for part in parts:
        assert len(part) <= 256
        assert sum(len(text.encode()) for text in part) <= 240_000
    assert {len(text.encode()) for part in parts for text in part if "é" in text} == {8_000}
    assert all(text for part in parts for text in part)  # an empty one would be refused


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("401", "auth"), ("quota", "quota"), ("429", "rate_limit"), ("500", "server"), ("404", "not_found"),
        ("400", "invalid_request"), ("context", "context"), ("reset", "connection"),
        ("html200", "bad_response"), ("badjson", "bad_response"), ("empty200", "bad_response"),
        ("redirect", "not_found"), ("longerror", "server"), ("deep", "bad_response"),
        ("badgzip", "bad_response"),
    ],
)  # fmt: skip
def test_what_goes_wrong_is_an_error_that_says_what(
    made: Made, fault: str, kind: str, server: FakeModels
) -> None:
    error = failed(made(server, f"openai-compatible:small/{fault}", dimensions=8), "cat", "dog")
    assert error.kind == kind
    assert KEY not in str(error)


def test_after_a_failure_nothing_is_asked_for_a_while_so_that_no_recall_waits(
    made: Made, server: FakeModels, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedder = made(server, "openai-compatible:small/500,ok", dimensions=8)
    first = failed(embedder, "cat")
    assert failed(embedder, "cat") is first
    assert len(server.requests) == 1
    monkeypatch.setattr(embedding_api, "monotonic", lambda: float("inf"))
    assert embedder.embed(["cat"]).shape == (1, 8)


@pytest.mark.parametrize("fault", ["hang", "slowhead:2", "slowbody:2"])
def test_a_server_that_is_slow_in_any_way_is_waited_for_no_longer_than_a_recall_can_wait(
    made: Made, fault: str, server: FakeModels, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedding_api, "WAIT_FOR_ONE", 0.1)
    error = failed(made(server, f"openai-compatible:small/{fault}", dimensions=8), "cat")
    assert error.kind == "timeout"


def test_a_text_that_is_refused_keeps_no_other_from_being_asked(made: Made, server: FakeModels) -> None:
    embedder = made(server, "openai-compatible:small/400,ok", dimensions=8)
    failed(embedder, "cat")
    assert embedder.embed(["cat"]).shape == (1, 8)


def _other_size(body: dict[str, Any], api: str) -> Says:
    return Says(sent=embeddings({**body, "dimensions": 3}, Says()))


def _too_few(body: dict[str, Any], api: str) -> Says:
    whole = embeddings(body, Says())
    return Says(sent={**whole, "data": whole["data"][1:]})


@pytest.mark.parametrize(
    ("reply", "said"),
    [(_other_size, "a vector of 3 numbers in place of 8"), (_too_few, "1 vectors for 2 texts")],
)
def test_vectors_that_do_not_fit_are_refused(made: Made, reply: Reply, said: str) -> None:
    with fake_models(reply) as server:
        error = failed(made(server, dimensions=8), "cat", "dog")
    assert (error.kind, said in str(error)) == ("bad_response", True)


def test_numbers_that_are_none_stay_so_for_whoever_keeps_them(made: Made) -> None:
    def odd(body: dict[str, Any], api: str) -> Says | Fault:
        whole = embeddings(body, Says())
        whole["data"][0]["embedding"][0] = float("nan")
        return Says(sent=whole)

    with fake_models(odd) as server:
        rows = made(server, dimensions=8).embed(["cat", "dog"])
    assert np.isnan(rows[0]).any()
    assert np.linalg.norm(rows[1]) == pytest.approx(1, abs=1e-6)


def test_nothing_leaves_the_machine_where_that_is_forbidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GUILDHALL_LOCAL_ONLY", "1")
    embedder = EmbeddingAPI(
        "openai-compatible:small", compatible(KEY, "http://example.invalid/v1"), dimensions=8
    )
    error = failed(embedder, "cat")
    assert (error.kind, error.sent) == ("private", False)
