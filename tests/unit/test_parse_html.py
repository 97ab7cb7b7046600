from __future__ import annotations

from pathlib import Path

import pytest

from ingest.parse import parse
from rag.errors import EmptyDocument, ParserLimit
from rag.types import BlockKind, ParsedDocument


def read(tmp_path: Path, source: str | bytes) -> ParsedDocument:
    path = tmp_path / "a.html"
    path.write_bytes(source if isinstance(source, bytes) else source.encode())
    return parse(path, "text/html")


def blocks(document: ParsedDocument) -> list[tuple[BlockKind, int, str]]:
    return [(b.kind, b.level, document.text[b.start : b.end]) for b in document.blocks]


def test_text_as_a_reader_sees_it(tmp_path: Path) -> None:
    document = read(
        tmp_path,
        "<html><head><title> A  page </title><style>p{}</style></head><body>"
        "<nav>Home | About</nav><h1>Big <i>news</i></h1><p>One\n  two<br>three <b>four</b>.</p>"
        "<script>alert(1)</script><p hidden>secret</p><div style='display: none'>ignore me</div>"
        "<!-- note --><p>Last &amp; least.</p></body>",
    )
    assert document.text == "Big news\n\nOne two\nthree four.\n\nLast & least."
    assert document.title == "A page"
    assert blocks(document) == [(BlockKind.HEADING, 1, "Big news")]


def test_lists_tables_and_code(tmp_path: Path) -> None:
    document = read(
        tmp_path,
        "<p>Before</p><ul><li>one<ul><li>inner</li></ul></li><li>two</li></ul>"
        "<ol><li>first<li>second</ol>"
        "<table><tr><th>Name</th><th>Sum</th></tr><tr><td><p>Net</p><p>sales</p></td><td>5</td></tr>"
        "</table><pre>def f():\n    return  1\n</pre>after",
    )
    assert blocks(document) == [
        (BlockKind.LIST, 0, "- one\n- inner\n- two"),
        (BlockKind.LIST, 0, "1. first\n2. second"),
        (BlockKind.TABLE, 0, "Name | Sum\nNet sales | 5"),
        (BlockKind.CODE, 0, "def f():\n    return  1"),
    ]
    assert document.text.startswith("Before\n\n- one")
    assert document.text.endswith("return  1\n\nafter")


def test_tables_for_layout_keep_their_paragraphs(tmp_path: Path) -> None:
    inner = "<h2>Head</h2><p>Words.</p><table><tr><td>1</td><td>2</td></tr></table>"
    document = read(tmp_path, f"<table><tr><td>{inner}</td></tr></table>")
    assert document.text == "Head\n\nWords.\n\n1 | 2"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "cp1252"])
def test_charset(tmp_path: Path, encoding: str) -> None:
    source = f"<meta charset='{encoding}'><p>Größe für Müller"
    assert read(tmp_path, source.encode(encoding)).text == "Größe für Müller"


def test_numeric_references_to_nothing_are_storable(tmp_path: Path) -> None:
    document = read(tmp_path, "<p>a&#0;b&#xD800;c &#x1F600;")
    document.text.encode()
    assert "\x00" not in document.text
    assert document.text.endswith("\U0001f600")


@pytest.mark.parametrize("source", ["<script>x</script>", "<!-- only a note -->", "   "])
def test_nothing_to_read(tmp_path: Path, source: str) -> None:
    with pytest.raises(EmptyDocument):
        read(tmp_path, source)


def test_deep_nesting_is_refused_and_not_cut_short(tmp_path: Path) -> None:
    assert read(tmp_path, "<div>" * 1000 + "deep").text == "deep"
    with pytest.raises(ParserLimit, match="nested"):
        read(tmp_path, "<div>" * 50_000 + "deep")


def cells(document: ParsedDocument) -> list[tuple[int, int, str]]:
    (table,) = [block for block in document.blocks if block.kind is BlockKind.TABLE]
    return [(c.row, c.column, document.text[c.start : c.end]) for c in table.cells]


def test_cells_of_tables_stand_in_their_grid(tmp_path: Path) -> None:
    document = read(
        tmp_path,
        "<p>x</p><table><tr><td></td><th colspan=2>Sum of <b>both</b></th><td>Net</td></tr>"
        "<tr><td rowspan='2'>May</td><td>1</td><td></td><td>3</td></tr>"
        "<tr><td>4<p>5</p></td><td>6</td><td>7</td></tr></table>",
    )
    assert cells(document) == [
        (0, 0, ""),
        (0, 1, "Sum of both"),
        (0, 3, "Net"),
        (1, 0, "May"),
        (1, 1, "1"),
        (1, 2, ""),
        (1, 3, "3"),
        (2, 1, "4 5"),
        (2, 2, "6"),
        (2, 3, "7"),
    ]


ARTICLE = "<h2>Weir</h2>" + "<p>The heron nests at the weir and fishes at dawn.</p>" * 5


def test_what_stands_around_the_content_is_left_out(tmp_path: Path) -> None:
    page = (
        "<header><a href='/'>Birds Weekly</a></header><ul role='navigation'><li>Home</li></ul>"
        "<div id='cookie-banner'><p>We use cookies.</p></div><dialog>Subscribe!</dialog>"
        f"<main><header>By A. Finch</header>{ARTICLE}<footer>Sources: none.</footer></main>"
        "<aside>Read also: owls.</aside><footer>Imprint</footer>"
    )
    text = read(tmp_path, page).text
    assert text.startswith("By A. Finch\n\nWeir\n\nThe heron")
    assert text.endswith("Sources: none.")


@pytest.mark.parametrize(
    "page",
    [
        f"<header>Kept</header>{ARTICLE}<footer>Kept too</footer>",
        f"<footer>{ARTICLE}</footer><main>Kept</main>",
        f"<header><h1>Kept</h1></header><article>{ARTICLE}</article>",
        f"<div class='cookie-banner'>Kept{ARTICLE * 9}</div>",
        f"<main hidden>gone</main><header>Kept</header>{ARTICLE}",
        f"<ul role='menu'><li>Kept</li>{ARTICLE}</ul><p>x</p>",
        f"<div class='cookie-recipes'>Kept</div><main>{ARTICLE}</main>",
    ],
    ids=["no mark", "content elsewhere", "first heading", "long", "hidden mark", "menu", "recipes"],
)
def test_when_unsure_everything_is_kept(tmp_path: Path, page: str) -> None:
    text = read(tmp_path, page).text
    assert "Kept" in text
    assert "The heron nests" in text
