"""How much a task asks of a model: an estimate by rules that can be read, in a fraction of a millisecond.

Signs are counted in the words of the task and in its structure, weighed, added up, and squeezed into 0
to 1. The words are English with some German, French and Spanish; the structure speaks in every language.
"""

import math
import re
from functools import lru_cache

_WEIGHTS = {
    "length": 1.15,  # log2(1 + words / 10)
    "clauses": 0.04,
    "steps": 0.25,  # what is to be done after, or on the ground of, something else
    "depth": 0.85,
    "judgement": 0.15,
    "domain": 0.35,
    "limits": 0.05,
    "work": 0.1,
    "light": -0.8,  # only where there is none of the work above
    "bare": -0.55,  # short, and none of the work above
    "lookup": -1.5,  # and moreover a question for one fact
    "begins deep": 1.1,
    "begins light": -0.2,
    "code": 0.5,
    "material": 0.2,  # log10(tokens / 500)
}
_BASE = -1.7
_WORDS = {
    "depth": """algorithm* analytical* anticipat* architect* arquitect* audit* causal* comprehensive*
        concev* conçoi* contingenc* contradict* correctness curriculum* debug* decompos* demonstrat*
        démontr* depend* deriv* devis* design* detect* develop* diagnos* diseñ* entwickl* entwirf*
        estimat* experiment* exploit* failover* failure* feasib* forecast* formal* formulat*
        framework* generali* herleit* hypothes* implication* integrat* interact* interdepend*
        interpret* invent* investigat* konzept* long-term methodolog* migrat* mitigat* model* multi*
        negotiat* numerical* optimal* optimi* phased plano pianific* policy predict* prioriti*
        proof* prove proves proving quantif* reconcil* reconstruct* redesign* resolv* refut*
        reverse-engineer* rigor* roadmap* robust* rollout* rollback* scenario* sensitivity simulat*
        specification* stakeholder* strateg* stratég* estrateg* synthes* systematic* theor* threat*
        trade-off* tradeoff* uncertain* undecidab* validat* vulnerab* zielkonflikt*""",
    "judgement": """advis* appropriate* argu* assess* balanc* begründ* beurteil* bewert* choose choice
        consequence* convinc* critical* critique* decid* decision* defend* ethic* evalu* évalu*
        fair* justif* judg* objection* option* persuas* recommend* recomiend* recommand* risk*
        risiken risiko* risque* riesgo* should sollen sollten versus weigh* abwäg* worth""",
    "domain": """acquisition* antitrust* asymptot* bayes* clinical* compiler* compliance concurren* consensus
        consisten* contract* covenant* creditor* cryptograph* datenschutz* debt* differential*
        distributed econom* encrypt* epidemi* evidence financ* fiscal* gdpr genom* gradient*
        infrastructure* insolvenc* jurisdiction* juríd* kubernetes latency law legal* liabilit*
        linearizab* lock-free macroeconom* mathemat* medical* merger* microservice* molecul*
        monolith* neural* partition* patent* patient* pharma* polynomial* probabil* protocol*
        quantum rechts* regress* regulat* replicat* scal* security shareholder* statistic* tax*
        tenant* theorem* thermo* throughput valuation*""",
    "limits": """across although at-least avoid* budget* constrain* deadline* debe despite each ensur* even
        garanti* given guarantee* however if including limit* maximum meanwhile minimum must never
        ohne only prevent* respect* sans satisf* sin so subject such survive* toler* under unless
        until while whose within without""",
    "work": """advantage* agenda* analis* analy* argument* article* blog* brainstorm* cause* categori*
        change* check* clause* compar* contrast* cover creat* criteria describ* disadvantage*
        discuss* draft* essay* example* explain* expliqu* explic* fasse feedback findings group
        guide* identif* implement* improve* interview* lesson* letter lettre* notes outline*
        overview plan plans pourquoi prepar* problem* process* product* propos* refactor* report*
        résum* resum* review* rewrit* rédig* scen* schreib* script* section* story suggest* summar* table*
        tests themes tip* unclear vergleich* verif* why warum write zusammenfass*""",
    "light": """abbreviation* acronym* give list look pull put say show sort tag tell turn alphabetical*
        antonym* capital* classif* convert* count date defin* duplicate* extract* fix* format*
        hauptstadt heißt label* lowercase mean means name named number* percent* phone plural*
        quick* rename* rhyme* round sentence short shorten* sort* spell* synonym* total translat*
        typo* tradu* übersetz* undo uppercase yes""",
}
"""What words are a sign of; one with * stands for all that begin so."""
_WHOLE = {word: sign for sign, words in _WORDS.items() for word in words.split() if word[-1] != "*"}
_BEGIN = {word[:-1]: sign for sign, words in _WORDS.items() for word in words.split() if word[-1] == "*"}
_DEEP, _ASKING = ("depth", "judgement"), ("depth", "judgement", "work", "light")

_LOOKED_AT = 4_000
"""Characters that are read: what stands behind them is material, not what is asked."""
_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")  # noqa: RUF001  typographic apostrophe
_NO_SPACES = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_GIVEN = re.compile(
    r"```.*?(?:```|\Z)|\"[^\"\n]{20,}\"|“[^“”\n]{20,}”|«[^«»\n]{20,}»|„[^„“\n]{20,}“", re.DOTALL
)
"""Text that is quoted, and code: what is worked on."""
_BELOW = re.compile(r"\A([^:\n]{0,200}\b(?:following|below|these|this|folgende\w*)\b[^:\n]{0,100}):\s")
_CLAUSE = re.compile(r"[,;:—，；、：]|\n[ \t]*(?:[-*•]|\d+[.)])\s")  # noqa: RUF001  full-width commas
_STEP = re.compile(
    r"\b(?:then|after that|afterwards|finally|based on|step by step|in (?:which|what) order|in order of|"
    r"and (?:show|say|justify|explain|give|propose|recommend|argue|find|write|verify|how|why|what|which)|"
    r"dann|danach|anschließend|schließlich|puis|ensuite|enfin|luego|después|und (?:wie|warum|welche))\b|"
    r"[并且]|然后|最后"
)
_LOOKUP = re.compile(
    r"\W*(?:who|whom|whose|when|where|which|what(?:['’]s)?|how (?:many|much|old|far|long|tall|do i|do you|"  # noqa: RUF001  typographic apostrophe
    r"can i)|is|are|was|were|does|do|did|can|wer|wann|wo|welche\w*|wie (?:viele?|heißt|alt)|qui|quand|où|"
    r"quelle?s?|combien|¿\w+)\b"
)
_CODE = re.compile(
    r"```|^[ \t]*(?:def|class|import|select|const|public|void)\b[^\n]*[;:({][ \t]*$|traceback",
    re.MULTILINE | re.IGNORECASE,
)


def complexity(task: str, *, material: int = 0) -> float:
    """From 0, for a task of one step, to 1, for many steps that hang together.

    `material` is about how many tokens come with the task.
    """
    total = _BASE + sum(_WEIGHTS[sign] * amount for sign, amount in signs(task, material=material).items())
    return 1 / (1 + math.exp(-total))


def signs(task: str, *, material: int = 0) -> dict[str, float]:
    """How much of each sign there is; those that are not found are left out."""
    text = task[:_LOOKED_AT]
    asked = _asked(text.lower())
    words = _WORD.findall(asked)
    size = len(words) + len(_NO_SPACES.findall(asked)) / 2
    found = [(sign, word[:5]) for word in words if (sign := _sign(word))]
    counts = {sign: min(len({word for kind, word in found if kind == sign}), 5) for sign in _WORDS}
    begins = next((_sign(word) for word in words[:10] if _sign(word) in _ASKING), "")
    work = sum(counts[sign] for sign in ("depth", "judgement", "work"))
    amounts = {
        "length": math.log2(1 + size / 10),
        "clauses": min(len(_CLAUSE.findall(asked)), 8),
        "steps": min(len(_STEP.findall(asked)), 4),
        **counts,
        "light": 0 if work else counts["light"],
        "lookup": size <= 25 and not work and bool(_LOOKUP.match(asked)),
        "bare": size <= 25 and not work,
        "begins deep": begins in _DEEP,
        "begins light": begins == "light",
        "code": bool(_CODE.search(text)),
        "material": math.log10(max(material + (len(task) - len(text)) // 4, 500) / 500),
    }
    return {sign: round(float(amount), 3) for sign, amount in amounts.items() if amount}


def _asked(text: str) -> str:
    """The text without what is quoted in it and, where a light task is done on it, without what follows."""
    asked = _GIVEN.sub(" … ", text)
    below = _BELOW.match(asked)
    if below and any(_sign(word) == "light" for word in _WORD.findall(below[1])):
        return below[1]
    return asked


@lru_cache(maxsize=20_000)
def _sign(word: str) -> str:
    """What the word is a sign of; the longest beginning counts."""
    if sign := _WHOLE.get(word):
        return sign
    return next((_BEGIN[word[:end]] for end in range(min(len(word), 20), 2, -1) if word[:end] in _BEGIN), "")
