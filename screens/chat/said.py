"""What a model said, letter by letter: Markdown gives it look and takes nothing away.

An operator judges a model by its very words: marks such as `**`, backquotes and fences stay to be seen, as does the
address of a link. Only what is drawn as a shape loses its letters: the pipes of a table, and the mark of a quote.
"""

from __future__ import annotations

import re

from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from rich import box
from rich.table import Table as Grid
from rich.text import Text
from textual.content import Content, Span
from textual.widgets import Markdown
from textual.widgets import _markdown as blocks

_SHAPES = ("table", "fence", "blockquote", "list", "heading", "emphasis", "strikethrough", "backticks")
_NO_LETTER = re.compile(r"[\s|>\\]")
_TABLE = "said_table"
_LOOKS = {"em": ".em", "strong": ".strong", "s": ".s"}
_DATA = re.compile(r"\s*(?:\{|\[\s*(?:[\[{\"]|$))")


def is_data(text: str) -> bool:
    """Whether an answer is JSON by its beginning, which is known before its end is: nothing in it is Markdown."""
    return _DATA.match(text) is not None


def said_parser() -> MarkdownIt:
    """Markdown without what replaces or hides text: links, references, HTML, entities and escapes stay as written."""
    parser = MarkdownIt("zero").enable(list(_SHAPES))
    parser.core.ruler.push("keep_marks", _keep_marks)
    parser.core.ruler.push("whole_tables", _whole_tables)
    return parser


def _keep_marks(state: StateCore) -> None:
    """Put the marks of lines into what is shown: of headings, of items as they were numbered, of fences, indents."""
    lines = state.src.split("\n")
    for before, token in zip([None, *state.tokens], state.tokens, strict=False):
        if token.type == "inline" and before is not None:
            _begin(token, _mark(before, lines))
        elif token.type == "ordered_list_open":
            # As the other one it shows what is before its items and does not count them itself.
            token.type = "bullet_list_open"
        elif token.type == "list_item_open":
            token.info = f"{token.info}{token.markup} "
        elif token.type == "fence":
            token.content = _fenced(token, lines)


def _whole_tables(state: StateCore) -> None:
    """One token for each table, with the text of its cells."""
    lines, found = state.src.split("\n"), list[Token]()
    table: Token | None = None
    for before, token in zip([None, *state.tokens], state.tokens, strict=False):
        if token.type == "table_open":
            table = Token(_TABLE, "", 0, map=token.map, level=token.level, meta={"head": [], "rows": []})
            found.append(table)
        elif token.type == "table_close" and table is not None:
            if not _is_whole(table, lines):
                found[-1:] = _plain(table, lines)
            table = None
        elif table is None:
            found.append(token)
        elif token.type == "tr_open" and table.meta["head"]:
            table.meta["rows"].append([])
        elif token.type == "inline" and before is not None and before.type == "th_open":
            align = str(before.attrs.get("style", "")).removeprefix("text-align:")
            table.meta["head"].append((align or "left", token.content))
        elif token.type == "inline":
            table.meta["rows"][-1].append(token.content)
    state.tokens = found


def _is_whole(table: Token, lines: list[str]) -> bool:
    """Whether every letter is in a cell: Markdown drops the cells of a row that its head has no column for."""
    begin, end = table.map or (0, 0)
    cells = [text for _, text in table.meta["head"]] + [text for row in table.meta["rows"] for text in row]
    given = [line for at, line in enumerate(lines[begin:end]) if at != 1]
    return _NO_LETTER.sub("", "".join(cells)) == _NO_LETTER.sub("", "".join(given))


def _plain(table: Token, lines: list[str]) -> list[Token]:
    """The table as it was written."""
    begin, end = table.map or (0, 0)
    text = Token("text", "", 0, content="\n".join(lines[begin:end]))
    return [
        Token("paragraph_open", "p", 1, map=table.map, level=table.level),
        Token("inline", "", 0, map=table.map, level=table.level + 1, children=[text]),
        Token("paragraph_close", "p", -1, level=table.level),
    ]


def _mark(before: Token, lines: list[str]) -> str:
    if before.type == "heading_open":
        return f"{before.markup} "
    if before.type == "paragraph_open" and before.level == 0 and before.map is not None:
        line = lines[before.map[0]]
        return line[: len(line) - len(line.lstrip(" "))]
    return ""


def _begin(token: Token, mark: str) -> None:
    if mark:
        token.children = [Token("text", "", 0, content=mark), *(token.children or [])]


def _fenced(token: Token, lines: list[str]) -> str:
    """The code between the lines that fence it; the last of them only where the model has come to it."""
    begin, end = token.map or (0, 0)
    closed = end - begin > 1 and lines[end - 1].strip(" >").startswith(token.markup)
    code = token.content if not token.content or token.content.endswith("\n") else f"{token.content}\n"
    return f"{token.markup}{token.info}\n{code}{token.markup if closed else ''}"


def _content(token: Token) -> Content:
    """A run of text with its marks, which are dim, and its white space."""
    parts: list[str] = []
    spans: list[Span] = []
    open_at: list[int] = []
    at = 0

    def add(text: str, look: str = "") -> None:
        nonlocal at
        parts.append(text)
        if look:
            spans.append(Span(at, at + len(text), look))
        at += len(text)

    for child in token.children or ():
        kind = child.type.removesuffix("_open").removesuffix("_close")
        if kind in _LOOKS and child.nesting > 0:
            add(child.markup, "dim")
            open_at.append(at)
        elif kind in _LOOKS:
            spans.append(Span(open_at.pop(), at, _LOOKS[kind]))
            add(child.markup, "dim")
        elif kind == "code_inline":
            add(child.markup, "dim")
            add(child.content, ".code_inline")
            add(child.markup, "dim")
        else:
            add(child.content)
    return Content("".join(parts), spans=spans)


def _build(self: blocks.MarkdownBlock, token: Token) -> None:
    self.set_content(_content(token))


async def _take_place(self: blocks.MarkdownBlock, block: blocks.MarkdownBlock) -> None:
    """Put the block that has grown in the place of the one before.

    Changed in place it keeps its height where that one was not laid out yet (textual 8.2.8): the last lines of what
    came at once were cut.
    """
    await blocks.MarkdownBlock._update_from_block(self, block)


class Paragraph(blocks.MarkdownParagraph):
    """Lines of text; a line break of the model is one on the screen."""

    build_from_token = _build
    _update_from_block = _take_place


class Fence(blocks.MarkdownFence):
    """Code, as it was fenced."""

    _update_from_block = _take_place


class Heading(blocks.MarkdownHeader):
    """A heading of any level: its marks tell which."""

    build_from_token = _build


class Table(blocks.MarkdownBlock):
    """A table in the width there is: every cell keeps some of it and folds its text.

    Textual's own one shrinks a narrow column beside a wide one to nothing.
    """

    def __init__(self, owner: Markdown, token: Token) -> None:
        super().__init__(owner, token)
        drawn = Grid(box=box.SQUARE, header_style="bold")
        for align, text in token.meta["head"]:
            drawn.add_column(Text(text), justify=align, overflow="fold")
        for row in token.meta["rows"]:
            drawn.add_row(*(Text(text) for text in row))
        self.update(drawn)


class Said(Markdown):
    """An answer. `append` draws what is new of it."""

    BLOCKS: dict[str, type[blocks.MarkdownBlock]] = {  # noqa: RUF012
        **Markdown.BLOCKS,
        **{f"h{level}": Heading for level in range(1, 7)},
        "paragraph_open": Paragraph,
        "fence": Fence,
    }

    def __init__(self, *, classes: str) -> None:
        super().__init__("", classes=classes, parser_factory=said_parser, open_links=False)

    def unhandled_token(self, token: Token) -> blocks.MarkdownBlock | None:
        """Draw a table; there is nothing else that the parser makes and Textual does not know."""
        return Table(self, token) if token.type == _TABLE else None
