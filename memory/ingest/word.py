"""DOCX, by its headings: it has no pages until it is printed."""

import io
from xml.parsers.expat import ExpatError

from . import archive
from .unreadable import UnreadableError
from .webpage import text_of


def text(data: bytes) -> str:
    """What is written in it, with the headings, lists and tables of Markdown; pictures are left out."""
    archive.check(data)
    import mammoth  # type: ignore[import-untyped]  # it has no types

    none = mammoth.images.img_element(lambda _: {"src": ""})
    try:
        html = mammoth.convert_to_html(io.BytesIO(data), convert_image=none).value
    except (ExpatError, KeyError, ValueError, OSError, AttributeError, TypeError, IndexError) as error:
        raise UnreadableError(f"it is damaged, or no DOCX: {error}") from None
    return text_of(html)
