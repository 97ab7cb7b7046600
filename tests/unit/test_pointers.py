from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rag.pointers import below, names_of, pointer_of


@given(st.lists(st.text()))
def test_a_pointer_leads_back_to_its_names(names: list[str]) -> None:
    assert names_of(pointer_of(names)) == names
    assert pointer_of([*names, "a"]) == below(pointer_of(names), "a")


def test_pointers_of_the_standard() -> None:
    assert pointer_of(["foo", 0]) == "/foo/0"
    assert pointer_of(["a/b", "m~n", ""]) == "/a~1b/m~0n/"
    assert names_of("#/$defs/e~1f~01") == ["$defs", "e/f~1"]
    assert pointer_of([]) == ""
