"""The table of models, and which of them a member may ask under which environment and configuration."""

from pathlib import Path
from typing import get_args

import pytest
from choosing import ANTHROPIC, BOTH, COMPLEX, EACH, HERE, MEDIUM, SIMPLE, catalog, names, tier_of

from guildhall.agents.config import Config, Tier
from guildhall.agents.models.catalog import ALL_REMOTE, CHOSEN, NO_KEY
from guildhall.agents.models.clients import close_clients
from guildhall.agents.models.openai_chat import OpenAICompatibleModel
from guildhall.agents.models.table import Table
from guildhall.agents.prices import Price, Prices
from guildhall.agents.testing import ScriptedModel
from guildhall.errors import UserError
from guildhall.memory.store.limits import Limit

# -- the table


def test_the_shipped_table_has_each_tier_of_each_provider_with_all_that_is_chosen_by() -> None:
    table = Table(Config())
    assert {(row.provider, row.tier) for row in table.rows.values()} == {
        (provider, tier) for provider in ("anthropic", "openai") for tier in ("fast", "balanced", "strong")
    }
    for name, row in table.rows.items():
        assert name == row.full_name
        assert row.strengths
        assert row.speed
        assert row.context
        assert not row.private
        assert table.limit(name) == Limit()
        assert Prices(table.prices()).knows(ScriptedModel(name=name))
    assert table.prices() == {}


@pytest.mark.slow
def test_shipped_models_are_known_to_the_sdks() -> None:
    from anthropic.types import Model as Claude
    from openai.types import ChatModel

    known = {
        "anthropic": {name for kind in get_args(Claude) for name in get_args(kind)},
        "openai": set(get_args(ChatModel)),
    }
    for row in Table(Config()).rows.values():
        assert row.name in known[row.provider]


def test_the_configuration_overrides_a_model_and_keeps_what_it_does_not_say(home: Path) -> None:
    table = catalog(
        {},
        '[model."openai:gpt-6-luna"]\nprice = {input = 1.0, output = 2.0, cached = 0.5}\nprivate = true\n'
        'rpm = 60\ntpm = 9000\nin_flight = 4\nstrengths = ["tax"]',
        home,
    ).table
    row = table.row("openai:gpt-6-luna")
    assert row is not None
    assert (row.tier, row.strengths, row.takes) == ("fast", ("tax",), ("image", "pdf"))
    assert table.limit("openai:gpt-6-luna") == Limit(60, 9000, 4)
    assert table.prices() == {"openai:gpt-6-luna": Price(1.0, 2.0, 0.5)}
    assert table.is_private("openai:gpt-6-luna")
    assert not table.is_private("openai:gpt-6.1-terra")
    assert not table.is_private("openai:never-heard-of")


def test_the_models_of_the_package_itself_are_private() -> None:
    table = Table(Config())
    assert table.is_private("extractive")
    assert table.is_private("scripted")


def test_a_catalog_says_the_limit_of_a_model_and_marks_private_ones(home: Path) -> None:
    here = catalog(BOTH, '[model."anthropic:claude-x"]\nprivate = true\nrpm = 5', home)
    assert here.limit("anthropic:claude-x") == Limit(requests=5)
    assert here.limit("openai:other") == Limit()
    for name, private in (("anthropic:claude-x", True), ("openai:gpt-6-luna", False)):
        assert getattr(here.model(name), "private") is private  # noqa: B009  the protocol of models lacks it


# -- the candidates of a member


def test_a_member_may_ask_every_tier_and_the_task_decides() -> None:
    models = catalog(ANTHROPIC).models_for(None, default="balanced", seat=0)
    assert [tier_of(models.ranked(task).choice) for task in EACH] == ["fast", "balanced", "strong"]
    assert tier_of(models[0].name) == "balanced"
    assert len(models) == 3


@pytest.mark.parametrize(
    ("role", "tiers"),
    [
        ("fast", ["fast", "fast", "balanced"]),
        ("balanced", ["fast", "balanced", "strong"]),
        ("strong", ["balanced", "strong", "strong"]),
    ],
)
def test_a_task_moves_the_tier_of_the_role_by_one(role: Tier, tiers: list[Tier]) -> None:
    models = catalog(BOTH).models_for(None, default=role, seat=0)
    assert [models.ranked(task).data["tier"] for task in EACH] == tiers
    assert [tier_of(models.ranked(task).choice) for task in EACH] == tiers


def test_a_tier_that_was_asked_for_is_kept_whatever_the_task() -> None:
    models = catalog(BOTH).models_for("fast", default="strong", seat=0)
    assert names(models) == ["anthropic:claude-haiku-5-5", "openai:gpt-6-luna"]
    assert {models.ranked(task).choice for task in EACH} == {"anthropic:claude-haiku-5-5"}
    assert "the tier fast was asked for" in models.ranked(COMPLEX).reason


@pytest.mark.parametrize("name", ["openai:gpt-6.1-sol", "anthropic:claude-unheard-of", "gpt-6.1-sol"])
def test_a_model_that_was_named_is_the_only_candidate(name: str) -> None:
    models = catalog(BOTH).models_for(name, default="fast", seat=1, preference="cost_sensitive")
    assert len(models) == 1
    assert models[0].name.endswith(name)
    assert names(models.ranked(SIMPLE).models) == names(models)


def test_without_a_provider_the_extractive_model_is_the_only_candidate() -> None:
    models = catalog({}).models_for(None, default="strong", seat=3)
    assert names(models) == ["extractive"]
    ranking = models.ranked(COMPLEX)
    assert ranking.choice == "extractive"
    assert ranking.reason == "extractive is the only one to ask"


@pytest.mark.parametrize("task", [*EACH, None])
def test_members_of_a_team_are_spread_over_the_providers(task: str | None) -> None:
    here = catalog(BOTH)
    for default in ("fast", "balanced", "strong"):
        seats = [here.models_for(None, default=default, seat=seat) for seat in range(4)]
        chosen = [(models.ranked(task).choice if task else models[0].name) for models in seats]
        assert [name.partition(":")[0] for name in chosen] == ["anthropic", "openai"] * 2
    wished = [here.models_for("strong", default="fast", seat=seat)[0].name for seat in range(2)]
    assert wished == ["anthropic:claude-opus-5-5", "openai:gpt-6.1-sol"]


def test_the_next_to_be_asked_is_of_the_same_tier_and_the_last_is_too_weak() -> None:
    models = catalog(BOTH).models_for(None, default="balanced", seat=0)
    chain = [tier_of(name) for name in names(models.ranked(COMPLEX).models)]
    assert chain == ["strong", "strong", "balanced", "balanced", "fast", "fast"]


def test_the_configuration_says_what_a_tier_stands_for(home: Path) -> None:
    here = catalog(BOTH, '[models]\nfast = "openai:gpt-mine"\nstrong = "anthropic:claude-mine"', home)
    for seat in range(2):
        models = here.models_for(None, default="balanced", seat=seat)
        assert models.ranked(SIMPLE).choice == "openai:gpt-mine"
        assert models.ranked(COMPLEX).choice == "anthropic:claude-mine"
        assert names(here.models_for("fast", default="strong", seat=seat)) == ["openai:gpt-mine"]
    assert {(c.model, c.reason) for c in here.choices() if c.tier == "fast"} == {
        ("openai:gpt-mine", "set in config.toml")
    }


def test_a_tier_can_stand_for_another_tier(home: Path) -> None:
    here = catalog(BOTH, '[models]\nfast = "balanced"\nbalanced = "strong"', home)
    strong = ["anthropic:claude-opus-5-5", "openai:gpt-6.1-sol"]
    for tier in ("fast", "balanced", "strong"):
        assert names(here.models_for(tier, default="strong", seat=0)) == strong
        assert [choice.model for choice in here.choices() if choice.tier == tier] == strong
    seats = [here.models_for("fast", default="fast", seat=seat)[0].name for seat in range(2)]
    assert seats == strong
    alone = catalog({}, '[models]\nfast = "balanced"', home)
    assert names(alone.models_for("fast", default="strong", seat=0)) == ["extractive"]


def test_a_tier_whose_model_cannot_be_asked_without_a_key_is_said(home: Path) -> None:
    here = catalog({}, '[models]\nfast = "openai:gpt-mine"', home)
    problem = "openai:gpt-mine cannot be asked: set OPENAI_API_KEY to your key"
    assert [(choice.model, choice.reason) for choice in here.choices()] == [
        ("", problem), *[("extractive", "no provider is configured")] * 2
    ]  # fmt: skip


def test_one_model_for_several_tiers_is_one_candidate_that_fits_all_of_them(home: Path) -> None:
    here = catalog(BOTH, "[models]\n" + "\n".join(f'{t} = "openai:one"' for t in ("fast", "balanced")), home)
    models = here.models_for(None, default="balanced", seat=0)
    assert sorted(names(models)) == ["anthropic:claude-opus-5-5", "openai:gpt-6.1-sol", "openai:one"]
    assert models.ranked(SIMPLE).choice == models.ranked(MEDIUM).choice == "openai:one"


def test_a_configured_tier_without_its_key_is_said_for_the_role_and_passed_over_beside_it(home: Path) -> None:
    here = catalog(ANTHROPIC, '[models]\nfast = "openai:gpt-mine"', home)
    problem = "openai:gpt-mine cannot be asked: set OPENAI_API_KEY to your key"
    assert names(here.models_for("fast", default="balanced", seat=0)) == ["openai:gpt-mine"]
    assert here.lacking("openai:gpt-mine") == problem
    assert "openai:gpt-mine" not in names(here.models_for(None, default="balanced", seat=0))
    assert next((c.model, c.reason) for c in here.choices()) == ("", problem)


def test_a_model_that_the_configuration_adds_is_a_candidate_of_its_tier(home: Path) -> None:
    toml = (
        '[model."openai-compatible:qwen3:14b"]\n'
        'tier = "fast"\nprice = {input = 0, output = 0}\nprivate = true'
    )
    here = catalog({**ANTHROPIC, **HERE}, toml, home)
    models = here.models_for(None, default="balanced", seat=1)
    ranking = models.ranked(SIMPLE)
    assert ranking.choice == "openai-compatible:qwen3:14b"
    assert getattr(ranking.models[0], "private") is True  # noqa: B009  the protocol of models lacks it
    assert tier_of(models.ranked(COMPLEX).choice) == "strong"
    assert "openai-compatible:qwen3:14b" not in names(
        catalog(ANTHROPIC, toml, home).models_for("fast", default="fast", seat=0)
    )


def test_a_server_whose_models_nobody_knows_is_said(home: Path) -> None:
    with pytest.raises(UserError, match=r"which models the server at .* has is not known"):
        catalog(HERE).models_for(None, default="balanced", seat=0)
    named = catalog(HERE, '[models]\ncompatible = "llama"', home)
    models = named.models_for(None, default="balanced", seat=0)
    assert names(models) == ["openai-compatible:llama"]
    assert models.ranked(COMPLEX).choice == "openai-compatible:llama"


def test_a_tier_that_no_model_stands_for_is_said(home: Path) -> None:
    here = catalog(ANTHROPIC, '[model."anthropic:claude-opus-5-5"]\ntier = "balanced"', home)
    with pytest.raises(UserError, match=r'as \[models\] strong = "provider:name"'):
        here.models_for("strong", default="balanced", seat=0)
    assert len(here.models_for("balanced", default="fast", seat=0)) == 2
    assert [c.model for c in here.choices() if c.tier == "strong"] == [""]


# -- GUILDHALL_LOCAL_ONLY


LOCAL = {"GUILDHALL_LOCAL_ONLY": "1"}


def test_under_the_switch_only_a_server_on_this_machine_is_asked(home: Path) -> None:
    here = catalog({**BOTH, **HERE, **LOCAL}, '[models]\ncompatible = "llama"', home)
    assert names(here.models_for(None, default="balanced", seat=1)) == ["openai-compatible:llama"]
    assert [p.name for p in here.left_out] == ["anthropic", "openai"]
    assert here.model("openai-compatible:qwen").name == "openai-compatible:qwen"
    assert here.why_extractive == CHOSEN


@pytest.mark.parametrize("url", ["http://localhost:1/v1", "http://127.0.0.7:1/v1", "http://[::1]:1/v1"])
def test_addresses_of_this_machine_are_allowed_under_the_switch(url: str) -> None:
    environ = {**LOCAL, "ANTHROPIC_API_KEY": "k", "ANTHROPIC_BASE_URL": url}
    assert tier_of(catalog(environ).models_for(None, default="strong", seat=0)[0].name) == "strong"


@pytest.mark.parametrize(
    "url",
    [
        "http://192.168.0.9/v1",
        "https://localhost.example.com/v1",
        "http://127.0.0.1.nip.io/v1",
        "http://0.0.0.0/",
    ],
)
def test_other_addresses_are_left_out_under_the_switch(url: str) -> None:
    here = catalog({**LOCAL, "GUILDHALL_BASE_URL": url})
    assert here.extractive_only
    assert names(here.models_for(None, default="balanced", seat=0)) == ["extractive"]
    assert {choice.reason for choice in here.choices()} == {"GUILDHALL_LOCAL_ONLY is set"}
    assert here.why_extractive == ALL_REMOTE
    assert here.lacking("openai-compatible:x") is not None


@pytest.mark.parametrize("switch", ["1", "true", "YES", " 1 "])
@pytest.mark.parametrize("name", ["anthropic:claude-x", "openai:gpt-x", "claude-opus-5-5", "gpt-6-luna"])
def test_a_remote_model_asked_for_by_name_is_refused_under_the_switch(name: str, switch: str) -> None:
    here = catalog({**BOTH, "GUILDHALL_LOCAL_ONLY": switch})
    with pytest.raises(UserError, match=r"cannot be asked: GUILDHALL_LOCAL_ONLY is set"):
        here.models_for(name, default="balanced", seat=0)


def test_a_remote_model_of_the_configuration_is_refused_where_it_is_the_roles(home: Path) -> None:
    here = catalog({**BOTH, **HERE, **LOCAL}, '[models]\nstrong = "openai:gpt-x"\ncompatible = "llama"', home)
    assert names(here.models_for(None, default="balanced", seat=0)) == ["openai-compatible:llama"]
    with pytest.raises(UserError, match="openai:gpt-x cannot be asked: GUILDHALL_LOCAL_ONLY is set"):
        here.models_for(None, default="strong", seat=0)


def test_the_switch_is_off_where_it_is_not_set_and_never_guessed_at() -> None:
    for off in ("", "0", "false", "No"):
        assert not catalog({**ANTHROPIC, "GUILDHALL_LOCAL_ONLY": off}).extractive_only
    with pytest.raises(UserError, match="GUILDHALL_LOCAL_ONLY is 'on'; write 1"):
        catalog({"GUILDHALL_LOCAL_ONLY": "on"})
    assert catalog({}).why_extractive == NO_KEY


def test_a_model_with_little_room_is_asked_for_shorter_replies(home: Path) -> None:
    toml = '[model."openai-compatible:small"]\ntier = "fast"\ncontext = 4096\ntakes = []'
    here = catalog({**HERE}, toml, home)
    small = here.model("openai-compatible:small")
    assert isinstance(small, OpenAICompatibleModel)
    assert (small.most_output, small.takes) == (2048, frozenset())


async def test_why_the_models_of_a_server_are_not_known_is_said() -> None:
    for address, why in (
        ("ftp://x", "must begin with http"),
        ("http://127.0.0.1:9/v1", "check the network"),
    ):
        here = catalog({"GUILDHALL_BASE_URL": address})
        await here.ready()
        with pytest.raises(UserError, match=why):
            here.models_for(None, default="balanced", seat=0)
    await close_clients()
