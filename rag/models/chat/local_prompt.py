"""A conversation as a local model was taught to read one, in which no turn can leave its place.

Chat templates part turns by tokens of their own. A tokenizer takes them for such wherever they
are spelled, so that a document which spells them could end its turn and begin another.
"""

from __future__ import annotations

import json
import re
from typing import Any

from rag.models.chat import ChatRequest, Role

# Of no width and no meaning; a quote that holds it is located as if it did not.
_JOINER = "\u2060"


class LocalPrompt:
    """Writes prompts for one tokenizer of transformers."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        marks = filter(_is_mark, map(str, tokenizer.get_added_vocab()))
        tokens = {*marks, *map(str, tokenizer.all_special_tokens)}
        spelled = "|".join(re.escape(one) for one in tokens if len(one) > 1)
        # It takes one character of each, so that one which begins within another is found too.
        self._spelled = re.compile(f"(?={spelled})." if spelled else "(?!)", re.DOTALL)

    def write(self, request: ChatRequest) -> str:
        """The conversation, up to where the model replies."""
        system = request.system
        if request.schema is not None:
            system += f"\n\nReply with JSON of this schema: {json.dumps(request.schema)}"
        system = self._as_text(system)
        turns = [
            {"role": turn.role.value, "content": self._as_text(turn.text)} for turn in request.turns
        ]
        if not self._tokenizer.chat_template:
            said = "\n\n".join(f"{turn['role']}: {turn['content']}" for turn in turns)
            return f"{system}\n\n{said}\n\n{Role.ASSISTANT}: "
        try:
            messages = [{"role": "system", "content": system}, *turns]
            return self._template(messages)
        except Exception:  # templates raise errors of their own for roles that they do not know
            first = {**turns[0], "content": f"{system}\n\n{turns[0]['content']}"}
            return self._template([first, *turns[1:]])

    def _as_text(self, text: str) -> str:
        """The text, in which what spells a token of the tokenizer's own no longer does."""
        return self._spelled.sub(lambda found: found[0] + _JOINER, text)

    def _template(self, messages: list[dict[str, str]]) -> str:
        return str(
            self._tokenizer.apply_chat_template(
                messages, tokenize=False, add_generation_prompt=True
            )
        )


def _is_mark(token: str) -> bool:
    """Whether an added token is no word and no run of spaces, which tokenizers add as well."""
    return not token.isspace() and not token.strip().isalnum()
