"""Letters as members write them, and as they are told to those who read them."""

from collections.abc import Sequence

from ..kinds import Letter
from ..message import Message

MOST_LETTERS = 20
"""That a member may write at once."""


def letter_of(answer: Message, letter: Letter, at: float) -> Message:
    """What was written with the answer, posted `at` that time."""
    # As a message of type "error" it would stand for a failure of its writer.
    return reply_of(answer, letter.to).model_copy(
        update={
            "type": "info" if letter.type == "error" else letter.type,
            "text": letter.text,
            "data": letter,
            "priority": letter.priority,
            "requires_response": letter.requires_response,
            "deadline": at + letter.seconds if letter.seconds else None,
        }
    )


def reply_of(answer: Message, to: str) -> Message:
    """The answer as a letter."""
    return Message(
        sender=answer.sender,
        receiver=to,
        type="response",
        text=answer.text,
        sources=answer.sources,
        private=answer.private,
    )


def called(letter: Message) -> str:
    return f"{letter.id} from {letter.sender} to {letter.receiver}"


def labelled(letter: Message) -> Message:
    """The letter as it is quoted."""
    return letter.model_copy(update={"sender": called(letter)})


def listed(letters: Sequence[Message]) -> str:
    """What the letters are, each in a line, without a word of what is in them."""
    lines = []
    for letter in letters:
        written = letter.data.type if isinstance(letter.data, Letter) else letter.type
        about = f"- {letter.id}: {written} from {letter.sender}"
        about += f", in response to {letter.reply_to}" if letter.reply_to else ""
        lines.append(about + (", who waits for your response" if letter.requires_response else ""))
    return "\n".join(lines)
