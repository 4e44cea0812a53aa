"""What the configuration and the options may say, and how what they may not is refused."""

from pathlib import Path
from typing import Any

import pytest
from fake_models import FakeModels
from shell import TASK, data, done, guildhall

from guildhall.agents import Hall
from guildhall.errors import UserError

pytestmark = pytest.mark.usefixtures("harbour")


@pytest.mark.parametrize("priority", [10**22, 1001, -1001, 1.5, True, "high", None])
async def test_a_priority_out_of_range_is_refused_before_anything_is_asked(
    priority: Any, server: FakeModels
) -> None:
    said = r"priority is .*; it can be a whole number from -1000 to 1000"
    async with Hall.open() as hall:
        for start in (hall.ask, hall.estimate):
            with pytest.raises(UserError, match=said):
                await start("reader", TASK, priority=priority)
        assert await hall.runs() == []
    assert not server.requests


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"private": "yes"}, "private is 'yes'; it can be True or False"),
        ({"model": 5}, "model is 5; it can be provider:name or a tier"),
        ({"pattern": ["parallel"]}, r"pattern is \['parallel'\]; it can be the name of a pattern"),
        ({"context": b"notes"}, "context is b'notes'; it can be a text"),
        ({"files": 5}, "files is 5; it can be a list of paths and Attachments"),
        ({"budget": 0.5}, "budget is 0.5; it can be a Budget"),
        ({"cache": "never"}, "cache is 'never'; it can be use, refresh, off"),
    ],
    ids=lambda value: str(value)[:20],
)
async def test_an_option_of_another_type_is_refused_with_what_it_can_be(
    wrong: dict[str, Any], said: str, server: FakeModels
) -> None:
    async with Hall.open() as hall:
        for start in (hall.ask, hall.estimate):
            with pytest.raises(UserError, match=said):
                await start("reader", TASK, **wrong)
        assert await hall.runs() == []
    assert not server.requests


@pytest.mark.parametrize("priority", ["-1000", "1000"])
def test_the_first_and_the_last_priority_can_be_given(priority: str, server: FakeModels, home: Path) -> None:
    home.mkdir()
    (home / "config.toml").write_text('[model."openai-compatible:fake"]\nrpm = 600\n')
    done("ask", "reader", TASK, "--priority", priority)
    assert "from -1000 to 1000" in done("ask", "--help")


def test_the_doctor_says_which_models_of_the_configuration_nobody_knows_and_what_is_near(
    server: FakeModels, home: Path
) -> None:
    home.mkdir()
    (home / "config.toml").write_text(
        '[models]\nstrong = "openai:gpt-brand-new"\n'
        + "".join(
            f'[model."{name}"]\nrpm = 60\n'
            for name in (
                "openai:gpt-6-lunar", "openai:gpt-brand-new", "anthropic:claude-opus-5-5",
                "anthropic:zzz", "openai-compatible:fake", "openai-compatible:fakr",
            )
        )
    )  # fmt: skip
    assert data("doctor")["unlisted"] == [
        {"model": "anthropic:zzz", "nearest": None},
        {"model": "openai-compatible:fakr", "nearest": "openai-compatible:fake"},
        {"model": "openai:gpt-6-lunar", "nearest": "openai:gpt-6-luna"},
    ]
    assert (
        "openai:gpt-6-lunar (in config.toml) is not in the table of models, where the nearest is "
        "openai:gpt-6-luna; a new model need not be"
    ) in done("doctor")


def test_the_doctor_names_the_models_that_the_tiers_of_the_configuration_come_to(
    monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-x")
    home.mkdir()
    (home / "config.toml").write_text(
        '[models]\nfast = "balanced"\nbalanced = "claude-opus-5-5"\nstrong = "nobody"\n'
    )
    report = data("doctor")
    assert {row["tier"]: (row["model"], row["reason"]) for row in report["models"]} == {
        "fast": ("anthropic:claude-opus-5-5", "as balanced, set in config.toml"),
        "balanced": ("anthropic:claude-opus-5-5", "set in config.toml"),
    }
    (problem,) = report["problems"]
    assert problem["problem"] == "no model for strong"
    assert "'nobody' does not say whose model it is" in problem["fix"]


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        (
            '[model."antropic:claude-opus-5-5"]\nprivate = true',
            "there is no provider 'antropic'; write provider:name, where the provider is anthropic, op",
        ),
        ('[model."nobody:x"]\nrpm = 1', "model.\"nobody:x\": there is no provider 'nobody'"),
        ("[model.x]\nrpm = 1", "model.x: there is no provider 'x'"),
        ('[model."openai: "]\nrpm = 1', 'model."openai: ": it names no model'),
        ('[models]\nfast = "nobody:x"', "models.fast: there is no provider 'nobody'; write provider:name"),
        ('[models]\nfast = ""', 'models.fast is ""; it must be a name'),
        ('[models]\nfast = "fast"', 'models: fast = "fast" is a circle; name a model in it'),
        (
            '[models]\nfast = "strong"\nstrong = "fast"',
            'models: fast = "strong", strong = "fast" is a circle',
        ),
        ('models = "fast"', 'models is "fast"; it must be a table'),
        ('[budget]\nusd = "0.5"', 'budget.usd is "0.5"; it must be a number, without quotation marks'),
        ("[budget]\nusd = nan", "budget.usd is NaN; it must be a finite number"),
        ("[budget]\nusd = true", "budget.usd is true; it must be a number"),
        ("[budget]\nusd = -1", "budget.usd is -1; it must be greater than or equal to 0"),
        ('[cache]\nmode = "never"', "cache.mode is \"never\"; it must be 'use', 'refresh' or 'off'"),
        ("[router]\nsimple = 0.9", "router: simple is 0.9, and must not be above complex, 0.7"),
        (
            '[model."openai:x"]\nprivate = "yes"',
            'model."openai:x".private: "yes" is neither true nor false, without quotation marks',
        ),
        ('[model."openai:x"]\nprivate = 1', 'model."openai:x".private: 1 is neither true nor false'),
        (
            '[model."openai:x"]\nrpm = "60"',
            'model."openai:x".rpm is "60"; it must be a whole number, without',
        ),
        ('[model."openai:x"]\nrpm = 60.0', 'model."openai:x".rpm is 60.0; it must be a whole number'),
        ('[model."openai:x"]\nstrengths = "tax"', '.strengths is "tax"; it must be a list of strings'),
        ('[model."openai:x"]\nstrengths = [1]', ".strengths.0 is 1; it must be a string"),
        ('[model."openai:x"]\nprice = {input = 1}', '.price.output is missing; give it beside {"input": 1}'),
    ],
    ids=lambda value: value.replace("\n", " ")[:40],
)
def test_a_configuration_that_cannot_be_used_is_refused_by_file_key_value_and_what_is_allowed(
    toml: str, said: str, home: Path
) -> None:
    home.mkdir()
    (home / "config.toml").write_text(toml)
    refused = guildhall("ask", "reader", TASK, "--model", "fast")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert refused.stderr.startswith(f"guildhall: {home / 'config.toml'}: ")
    assert said in refused.stderr
    doctor = guildhall("doctor")
    assert doctor.exit_code == 1
    assert said in doctor.stdout
