"""Prompts: those that come with Ibidem, and a tenant's own."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Response

from api.door import Door, DoorDep, KeyDep, TenantDep
from api.idempotency import IdempotencyKey, Reply, fingerprint, once
from api.schemas.common import ListOf, failures
from api.schemas.prompts import NewPrompt, PromptDetail, PromptSummary, TryBody, TryOut
from api.trying import try_prompt
from rag.models.engine import Context
from rag.models.prompts import load, read_prompt
from rag.models.prompts.own import check_own

router = APIRouter(tags=["Prompts"])

_Part = Annotated[str, Path(max_length=64, examples=["answer"])]


@router.get("/prompts", summary="List prompts", responses=failures())
def list_prompts(door: DoorDep, tenant: TenantDep) -> ListOf[PromptSummary]:
    """Every version of every prompt: first those that come with Ibidem, then your own."""
    shown = [PromptSummary.of(prompt, None) for versions in load().values() for prompt in versions]
    shown += [
        PromptSummary.of(read_prompt(one.text, one.version), one.created_at)
        for one in door.services.catalog.prompts.all(tenant)
    ]
    return ListOf(data=shown, has_more=False, first_id=shown[0].id, last_id=shown[-1].id)


@router.get("/prompts/{task}/{form}/{version}", summary="Show a prompt", responses=failures(404))
def get_prompt(
    task: _Part, form: _Part, version: int, door: DoorDep, tenant: TenantDep
) -> PromptDetail:
    """A version of a prompt with its text. Its name is task and form, such as `answer/strict`."""
    name = f"{task}/{form}"
    prompt = door.services.prompt(tenant, name, version)
    own = name not in load()
    added = door.services.catalog.prompts.find(tenant, name, version) if own else None
    return PromptDetail.of(prompt, added.created_at if added else None)


@router.post(
    "/prompts",
    summary="Add a prompt, or its next version",
    response_model=PromptDetail,
    status_code=201,
    responses={
        200: {"model": PromptDetail, "description": "A version that says the same is there."},
        **failures(400, 409, 413, 507),
    },
)
def add_prompt(
    body: NewPrompt, door: DoorDep, tenant: TenantDep, key: IdempotencyKey = None
) -> Response:
    """Add a prompt of your own under the name of its header, `TASK/FORM`.

    It takes the inputs of its task, keeps to the schema of its task's prompts, and has a name
    that none that comes with Ibidem has. A version never changes; another text under the same
    name is the next one.
    """
    mark = fingerprint("POST", "/prompts", body.model_dump_json())
    requests = door.services.catalog.requests
    return once(requests, tenant, key, mark, lambda: _added(door, tenant, body.text))


@router.post(
    "/prompts:try",
    summary="Try a prompt",
    responses=failures(400, 402, 404, 409, 413, 503),
)
def try_(body: TryBody, door: DoorDep, tenant: TenantDep, asker: KeyDep) -> TryOut:
    """What would be sent for a question or a text, and, with `run`, what comes of it."""
    budgets = door.services.budgets.of_request(key=asker)
    with door.searches.place():
        return try_prompt(door, Context(tenant=tenant, key=asker, budgets=budgets), body)


def _added(door: Door, tenant: str, text: str) -> Reply:
    prompt = read_prompt(text, 1)
    check_own(prompt)
    stored, is_new = door.services.catalog.prompts.add(tenant, prompt.name, text)
    shown = PromptDetail.of(read_prompt(stored.text, stored.version), stored.created_at)
    return Reply(status=201 if is_new else 200, body=shown.model_dump_json())
