"""Mails: who wrote when to whom about what, and what."""

import email.message
import email.parser
import email.policy

from .unreadable import UnreadableError
from .webpage import text_of

_HEADERS = ("From", "To", "Cc", "Date", "Subject")


def text(data: bytes) -> str:
    """The headers that say something, the text, and the names of what is attached."""
    try:
        mail = email.parser.BytesParser(policy=email.policy.default).parsebytes(data)
        said = [f"{name}: {mail[name]}" for name in _HEADERS if mail[name]]
        body = mail.get_body(("plain", "html"))
        content = body.get_content() if body else ""
        names = [part.get_filename() or "unnamed" for part in mail.iter_attachments()]
    except (ValueError, LookupError, AttributeError, TypeError, IndexError) as error:
        raise UnreadableError(f"it is no mail: {error}") from None
    if body is not None and body.get_content_type() == "text/html":
        content = text_of(content)
    attached = [f"Attached: {', '.join(names)}"] if names else []
    return "\n\n".join(["\n".join([*said, *attached]), content.replace("\r\n", "\n")])
