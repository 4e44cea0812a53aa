"""Secrets are found in whatever shape they come, nothing else is, and it costs little."""

import io
import json
import logging
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from secret_cases import BEGIN, BODY, CASES, END, HARMLESS, HIDDEN, KEY, ONE_LINE, SHAPES, Case, b64

from guildhall._known import KNOWN
from guildhall.redact import Redactor, know, know_value, logger, redact, redact_json
from guildhall.view import clean

PIECES = st.one_of(
    st.sampled_from([case.text for case in CASES]),
    st.sampled_from(HARMLESS),
    st.sampled_from(["\n", " ", "\n> ", '"', "'", " + ", "\\\n", "=", ": ", "-----", "[redacted: aws]", "é"]),
    st.sampled_from(["\x1b[31m", "\x1b[m", "\x1b[", "\x1b", "\u200b", "\r", "\ufeff", "\x00"]),
    st.text(max_size=20),
)
TEXTS = st.lists(PIECES, max_size=6).map("".join)
UNSEEN = (
    "\x1b[31m", "\x1b[01;31m\x1b[K", "\x1b(B\x1b[m", "\x9b1m", "\x1b]8;;\x07", "\r", "\ufeff", "\u200b",
    "\xad", "\x00", "\x08", "\u202e",
)  # fmt: skip
PROXY_KEY = "mycompany-proxy-" + "key-0011"


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(KNOWN, "values", ())
    monkeypatch.setattr(KNOWN, "beginnings", frozenset())


@pytest.mark.parametrize("case", CASES + SHAPES, ids=lambda case: f"{case.kind}-{case.text[:16]}")
def test_a_secret_is_replaced_by_its_kind(case: Case) -> None:
    said = redact(case.text)
    assert f"[redacted: {case.kind}]" in said
    assert [part for part in case.secret if part in said] == []


@pytest.mark.parametrize("sign", UNSEEN, ids=ascii)
@pytest.mark.slow
def test_what_is_not_seen_of_a_text_hides_no_secret(sign: str) -> None:
    """What is cleaned for a terminal or a page after that puts nothing together again."""
    for case in ONE_LINE + SHAPES:
        (secret,) = case.secret
        first, second = secret[: len(secret) // 2], secret[len(secret) // 2 :]
        around = case.text.replace(secret, f"{sign}{secret}{sign}")
        within = case.text.replace(secret, f"{first}{sign}{second}")
        for text in (around, within):
            whole, pieces = redact(text), "".join(shown(cut(text, [7] * len(text))))
            said = [clean(whole), clean(pieces)]
            assert (text, [part for part in (first, second) if any(part in each for each in said)]) == (
                text,
                [],
            )
            for ascii_only in (True, False):
                document = redact_json(json.dumps({"text": text}, ensure_ascii=ascii_only))
                assert json.loads(document)["text"] == whole


def test_colours_around_a_secret_stay() -> None:
    assert redact(f"\x1b[32mok\x1b[0m \x1b[31m{KEY}\x1b[0m!") == (
        "\x1b[32mok\x1b[0m \x1b[31m[redacted: anthropic]\x1b[0m!"
    )


@pytest.mark.parametrize("case", ONE_LINE, ids=lambda case: f"{case.kind}-{case.text[:16]}")
def test_what_stands_around_a_secret_stays(case: Case) -> None:
    start = case.text.index(case.secret[0])
    before, after = case.text[:start], case.text[start + len(case.secret[0]) :]
    said = redact(f"One line.\n{case.text}\nAnother line.")
    assert said.startswith("One line.\n" + re.split(r"://|services/", before)[0])
    assert said.endswith(after + "\nAnother line.")


@pytest.mark.parametrize("text", HARMLESS, ids=lambda text: text[:24])
def test_what_is_no_secret_stays_as_it_is(text: str) -> None:
    assert redact(text) == text
    assert redact(f"Before.\n{text}\nAfter.") == f"Before.\n{text}\nAfter."
    assert redact_json(json.dumps({"text": text})) == json.dumps({"text": text})


def test_the_code_and_the_documents_of_this_repository_hold_no_secrets() -> None:
    root = Path(__file__).parent.parent
    files = [
        file
        for part in ("agents", "memory", "view", "cli", "guildhall")
        for file in (root / part).glob("*.py")
    ]
    assert len(files) > 40
    texts = {file.name: file.read_text("utf-8") for file in files}
    assert {name: text for name, text in texts.items() if redact(text) != text} == {}


@settings(max_examples=300, deadline=None)
@given(TEXTS)
@pytest.mark.slow
def test_what_is_redacted_once_is_redacted_for_good(text: str) -> None:
    once = redact(text)
    assert redact(once) == once
    document = json.dumps({"a": [text, 1], "b": text})
    assert redact_json(redact_json(document)) == redact_json(document)
    assert json.loads(redact_json(document))["b"] == once


@pytest.mark.slow
@pytest.mark.parametrize(
    "unit",
    [
        "sk-", "sk-ant-", "sk-\n", "sk-ant-\n", "eyJ", "-eyJ", "eyJ\n", "eyJ" + "a" * 120 + "\n", "://a:b",
        "://", "a:@", BEGIN, BEGIN + "\n", END + "\n", "-----", "token=", "token=\n", "password: ",
        'password="', 'abcd1"\n"', "bearer ", "aB3", "aB3d\n", "AKIA", "AKIA\n", "AIza" + "A" * 35, "ghp_",
        "xoxb-", "\\", '"', "+\n", " ", "\n", "[redacted: ", "12345678:AA", "\x1b", "\x1b[", "\x1b[1",
        "\x1b]8;;", "a\x1b[m", "\u200b", "a\u200b", "a\r", "\r", "\\_", "SG.", "dp.pt.", "1//0", "shpat_",
        "secret_", "aghp_", "aghp_" + "aB3d" * 9, "basic ", "Basic dXNl", "Basic dXNlcjpw\n", "Bearer aBcD",
        "?key=", "?key=aB3", "session=",
        "=aB3dE5gH7jK9mN1pQrSt", "://aB3dE5gH7jK9mN1pQrSt", "://aB3.", "sig=%",
    ],
)  # fmt: skip
def test_a_long_text_of_one_mark_is_done_in_moments(unit: str) -> None:
    """A pattern that tries again from every mark would take hours over this."""
    for text in (unit * (100_000 // len(unit)), f"x://{KEY}\npassword='" + unit * (100_000 // len(unit))):
        said = redact(text)
        assert len(said) <= len(text) * 3
        assert KEY not in said
    assert redact_json(json.dumps(unit * 10_000)).startswith('"')


def test_values_of_variables_that_are_named_for_secrets_are_known() -> None:
    environ = {
        "ANTHROPIC_API_KEY": PROXY_KEY, "DB_PASSWORD": "correct horse 7", "MY_SECRET": "häßlich-99",
        "TOKEN": "short", "SSH_KEY_FILE": "/var/keys/file1", "MAX_TOKENS": "100000000",
        "USE_TOKENS": "disabled", "TOKEN_URL": "https://example.com/token1", "KEYBOARD": "us-layout-1",
        "SECRET_BACKEND": "keychain", "EDITOR": "some-editor-2",
    }  # fmt: skip
    know(environ)
    known = "[redacted: known value]"
    assert redact(f"{PROXY_KEY}, correct horse 7 and häßlich-99") == f"{known}, {known} and {known}"
    others = " ".join(value for name, value in environ.items() if name not in list(environ)[:3])
    assert redact(others) == others


def test_a_known_value_is_found_split_over_lines_and_in_base64() -> None:
    for value in (PROXY_KEY, "short1234"):
        know_value(value)
        half = len(value) // 2
        texts = [
            f"{value[:half]}\n    {value[half:]}",
            *(b64(f"{value} x", before="a" * n) for n in range(3)),
        ]
        for text in texts:
            assert "[redacted: " in redact(f"it is {text} here")
            assert value not in redact(text)


@pytest.mark.parametrize(
    "value",
    [
        "lm-studio", "not-needed", "placeholder", "dummy-key", "whatever", "ollama-local", "no-key-required",
        "sk-no-key-required", "your-api-key-here", "YOUR_API_KEY", "test-key-123", "00000000",
    ],
)  # fmt: skip
def test_what_stands_for_a_key_where_none_is_asked_for_is_no_secret(value: str) -> None:
    know_value(value)
    know({"GUILDHALL_API_KEY": value})
    said = f"run {value} server; it is {value} here, or {b64(value + ' is it')}"
    assert redact(said) == said


@pytest.mark.parametrize(
    "value",
    ["local-4f9a8b7c6d5e4f3a2b1c", "qWeRtYuIoPaSdFgHjKlZxCvB", "correct-horse-battery-staple", PROXY_KEY],
)
def test_a_key_of_a_server_on_this_machine_is_a_secret(value: str) -> None:
    know_value(value)
    assert redact(f"it is {value} here") == "it is [redacted: known value] here"


def test_ordinary_words_in_variables_are_no_secrets_and_passwords_of_words_are() -> None:
    know(
        {"CREDENTIALS_MODE": "read-only", "TOKEN_STORE": "key-chain", "AUTH_TYPE": "kerberos-v5",
         "API_KEY_NAME": "production-key-1", "DB_PASSWORD": "paper-tiger"}
    )  # fmt: skip
    said = "a read-only key-chain of kerberos-v5, production-key-1"
    assert redact(f"{said} and paper-tiger") == f"{said} and [redacted: known value]"


def test_secrets_in_variables_that_hold_headers_are_known() -> None:
    know(
        {"MY_HEADERS": "x-secret: s3cr3t-custom1\nx-team: team-7-a\nAuthorization: Bearer abcd-1234",
         "OTEL_EXPORTER_OTLP_HEADERS": "api-key=qq11-ww22-ee,content-type=application/json"}
    )  # fmt: skip
    said = redact("s3cr3t-custom1 abcd-1234 qq11-ww22-ee, team-7-a application/json")
    assert said == f"{' '.join(['[redacted: known value]'] * 3)}, team-7-a application/json"


def test_a_value_too_short_to_tell_anything_is_not_known() -> None:
    know_value("key")
    assert redact("the key") == "the key"


def test_a_password_is_found_by_its_name_in_a_json_document() -> None:
    document = json.dumps({"user": "bob", "password": HIDDEN, "n": 1e300, "next": "é\u2028\n" + HIDDEN[:5]})
    assert json.loads(redact_json(document)) == {
        "user": "bob", "password": "[redacted: password]", "n": 1e300, "next": "é\u2028\n" + HIDDEN[:5],
    }  # fmt: skip


# -- text that comes in pieces


def shown(pieces: list[str]) -> list[str]:
    redactor = Redactor()
    return [*map(redactor.feed, pieces), redactor.close()]


def cut(text: str, sizes: list[int]) -> list[str]:
    pieces, at = [], 0
    for size in sizes:
        pieces.append(text[at : at + size])
        at += size
    return [*pieces, text[at:]]


SIZES = st.lists(st.integers(1, 12), max_size=200)


@settings(max_examples=300, deadline=None)
@given(
    case=st.sampled_from(CASES + SHAPES),
    sizes=SIZES,
    before=st.sampled_from(HARMLESS),
    after=st.sampled_from(HARMLESS),
)
@pytest.mark.slow
def test_pieces_never_show_a_secret_wherever_it_is_cut(
    case: Case, sizes: list[int], before: str, after: str
) -> None:
    text = "".join(shown(cut(f"{before}\n\n{case.text}\n\n{after}", sizes)))
    assert [part for part in case.secret if part in text] == []


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from([*HARMLESS, *(c.text for c in ONE_LINE + SHAPES)]), max_size=4), SIZES)
def test_pieces_add_up_to_the_redacted_whole(parts: list[str], sizes: list[int]) -> None:
    text = "\n\n".join(parts)
    assert "".join(shown(cut(text, sizes))) == redact(text)


@pytest.mark.parametrize("size", [1, 3, 7, 50])
def test_known_values_are_never_shown_in_pieces(size: int) -> None:
    know({"DB_PASSWORD": "correct horse 7", "API_KEY": PROXY_KEY})
    text = f"It is correct horse 7 and {PROXY_KEY}, or {PROXY_KEY[:9]}\n  {PROXY_KEY[9:]}."
    said = "".join(shown(cut(text, [size] * len(text))))
    assert said == "It is [redacted: known value] and [redacted: known value], or [redacted: known value]."


def test_prose_is_shown_word_by_word() -> None:
    words = ["The ", "key ", "question ", "is ", "who ", "pays.\n", "Nobody ", "knows."]
    said = shown(words)
    assert "".join(said) == "".join(words)
    assert "".join(said[:5]).startswith("The key question")
    assert shown(["日本語", "の文"])[0] == "日本語"


def test_what_only_looked_like_the_beginning_of_a_key_is_shown_when_it_is_over() -> None:
    said = shown([f"A file with {BEGIN} in it\n", *("is a private key. " * 20).split(" ")])
    assert "".join(said[:-1]).startswith(f"A file with {BEGIN} in it\n")


def test_a_private_key_is_held_back_as_long_as_it_goes_on() -> None:
    lines = [f"{line}\n" for line in (BODY * 50).split("\n")]
    said = shown([f"Here: {BEGIN}\n", *lines, f"{END}\n", "That is all."])
    assert "".join(said) == "Here: [redacted: private key]\nThat is all."
    assert "".join(said[: len(lines)]) == "Here: "


# -- logs


def test_what_is_logged_is_redacted_before_any_handler_sees_it(caplog: pytest.LogCaptureFixture) -> None:
    log, stream = logger("guildhall.of_this_test"), io.StringIO()
    handler = logging.StreamHandler(stream)
    log.addHandler(handler)
    try:
        try:
            raise ValueError(f"bad key {KEY}")
        except ValueError:
            log.exception("the key %s of %s", KEY, f"postgres://bob:{HIDDEN}@db/x", stack_info=True)
        log.warning("too few %s %s", *[KEY])
        log.warning({"key": KEY})
    finally:
        log.removeHandler(handler)
    said = stream.getvalue() + caplog.text + "".join(repr(vars(record)) for record in caplog.records)
    assert KEY not in said
    assert HIDDEN not in said
    assert "ValueError: bad key [redacted: anthropic]" in said
    assert said.count("too few") >= 2
    assert logger("guildhall.of_this_test") is log
    assert len(log.filters) == 1


def test_other_loggers_are_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    logger("guildhall.of_this_test")
    logging.getLogger("of.the.user").warning("my %s", KEY)
    assert caplog.records[0].args == (KEY,)
