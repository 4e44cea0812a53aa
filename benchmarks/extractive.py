"""How often the built-in extractive model quotes the sentence that answers a question.

The team `research` answers 30 questions about two documents, with no language model. The ranking was
tuned on the questions about the supply agreement. Those about the storage report were first asked when it
was done (10 of 15), and have since chosen between variants of it, so they are no blind test any more.

    python benchmarks/extractive.py [--misses]
"""

import asyncio
import json
import sys
import tempfile
from pathlib import Path

from guildhall import Hall

HERE = Path(__file__).parent
EXAMPLES = HERE.parent / "examples"
QUESTIONS = HERE / "data" / "extractive_questions.json"
ENOUGH = 0.70
"""The share of answers that must quote the sentence."""


async def main(*, misses: bool) -> int:
    asked: dict[str, list[dict[str, str]]] = json.loads(QUESTIONS.read_text(encoding="utf-8"))
    right = total = 0
    for document, questions in asked.items():
        places = []
        for one in questions:
            place, answer = await quoted(EXAMPLES / document, one["question"], one["sentence"])
            places.append(place)
            print(f"{document:<22} {place or '-':>4}  {one['question']}")
            if misses and not place:
                print(f"{answer}\n  wanted: {one['sentence']}\n")
        found = sum(place > 0 for place in places)
        print(f"{document}: {found} of {len(places)}, {places.count(1)} of them as the first sentence\n")
        right, total = right + found, total + len(places)
    share = right / total
    print(f"{right} of {total} answers quote the sentence: {share:.0%} (wanted: {ENOUGH:.0%})")
    return 0 if share >= ENOUGH else 1


async def quoted(document: Path, question: str, sentence: str) -> tuple[int, str]:
    """Which of the answer's sentences it is, counted from 1, and 0 if it is none; and the answer.

    Each question has a data folder of its own, so that none is answered from the memory of another.
    """
    with tempfile.TemporaryDirectory() as folder:
        async with Hall.open(home=Path(folder) / "home", project=Path(folder), environ={}) as hall:
            result = await hall.run_team("research", question, files=[document], model="extractive")
    bullets = [line for line in result.answer.splitlines() if line.startswith("- ")]
    places = (place for place, bullet in enumerate(bullets, 1) if f"- {sentence} [{document.name}:" in bullet)
    return next(places, 0), result.answer or result.error


if __name__ == "__main__":
    sys.exit(asyncio.run(main(misses="--misses" in sys.argv[1:])))
