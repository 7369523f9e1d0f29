"""The base models of steps."""

from typing import Annotated, ClassVar

from pydantic import Field

from domain.campaign.schema import DocumentModel, Slug

StepId = Annotated[Slug, Field(description="the step's name, unique in the campaign")]


class StepModel(DocumentModel):
    """A step. One of its keys, its kind, says what it does."""

    kind: ClassVar[str]

    @classmethod
    def about_unknown_key(cls, key: str) -> tuple[str, str]:
        # The registry imports the kinds, and these import this module.
        from domain.campaign.steps.names import STEP_KINDS

        if key in STEP_KINDS:
            return f"`{key}` cannot stand beside `{cls.kind}`", "A step does one thing: make it two steps"
        within = cls.model_fields[cls.kind].annotation
        if isinstance(within, type) and issubclass(within, StepSpec) and key in within.named_fields():
            return f"`{key}` cannot stand beside `{cls.kind}`", f"Move it: `{cls.kind}: {{{key}: …}}`"
        return super().about_unknown_key(key)


class StepSpec(DocumentModel):
    """The mapping under a step's kind. `outside` names the keys beside the kind."""

    kind: ClassVar[str]
    outside: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def about_unknown_key(cls, key: str) -> tuple[str, str]:
        if key in cls.outside:
            return f"`{key}` cannot stand within `{cls.kind}`", f"Move it beside `id` and `{cls.kind}`"
        return super().about_unknown_key(key)
