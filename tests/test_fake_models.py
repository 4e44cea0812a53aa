"""The fake provider: its random faults come again, and it knows when its limits are broken."""

import asyncio
import json
import urllib.error
import urllib.request
from collections import Counter
from typing import Any

import pytest
from fake_faults import NAMES, Fault
from fake_models import FakeModels, fake_models


def post(server: FakeModels, text: str) -> str:
    """The status of the answer, or the error where there is none."""
    body = {"model": "fake", "messages": [{"role": "user", "content": text}]}
    request = urllib.request.Request(f"{server.url}/v1/chat/completions", json.dumps(body).encode())
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return str(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return str(error.code)
    except OSError as error:
        return type(error).__name__


def got(server: FakeModels, path: str) -> dict[str, Any]:
    with urllib.request.urlopen(f"{server.url}{path}", timeout=20) as answer:
        found: dict[str, Any] = json.load(answer)
        return found


def faults(seed: int) -> list[str]:
    with fake_models(rates={"429": 0.3, "500": 0.2}, seed=seed) as server:
        return [post(server, f"question {number}") for number in range(40)]


def test_random_faults_come_at_their_rates_and_the_same_again() -> None:
    first = faults(7)
    assert first == faults(7)
    assert first != faults(8)
    count = Counter(first)
    assert count.keys() == {"200", "429", "500"}
    assert 10 < count["200"] < 30


def test_a_question_that_was_answered_twice_is_counted() -> None:
    with fake_models() as server:
        assert [post(server, text) for text in ("one", "two", "one", "one")] == ["200"] * 4
        stats, good = got(server, "/stats"), got(server, "/good")
    assert (stats["good"], stats["distinct_good"], stats["answered_twice"]) == (4, 2, 1)
    assert sorted(good.values()) == [1, 3]


def test_more_requests_a_minute_than_allowed_are_turned_away_and_counted() -> None:
    with fake_models(rpm=2) as server:
        assert [post(server, text) for text in ("one", "two", "three")] == ["200", "429", "429"]
        assert server.stats()["limit_broken_rpm"] == 2
        assert server.stats()["good"] == 1


async def test_more_requests_at_once_than_allowed_are_turned_away_and_counted() -> None:
    with fake_models(lambda _body, _api: Fault("hang"), max_in_flight=1) as server:
        hanging = asyncio.open_connection("127.0.0.1", int(server.url.rpartition(":")[2]))
        _, writer = await hanging
        body = json.dumps({"model": "fake", "messages": [{"role": "user", "content": "wait"}]}).encode()
        writer.write(b"POST /v1/chat/completions HTTP/1.1\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
        await asyncio.to_thread(server.wait_for, lambda server: server.in_flight == 1)
        assert await asyncio.to_thread(post, server, "hello") == "429"
        assert server.stats()["limit_broken_in_flight"] == 1
        writer.close()
        await asyncio.to_thread(server.wait_for, lambda server: server.disconnected == 1)
        await writer.wait_closed()


@pytest.mark.parametrize("fault", ["reset", "eof", "trunc", "cut"])
def test_a_connection_that_the_server_ends_is_no_client_that_hung_up(fault: str) -> None:
    assert fault in NAMES
    with fake_models(lambda _body, _api: Fault(fault)) as server:
        post(server, "hello")
        server.wait_for(lambda server: server.in_flight == 0 and len(server.requests) == 1)
        assert server.disconnected == 0
