"""The base of the settings of providers of text messages: answers to STOP."""

from typing import Annotated, ClassVar, Final, Self

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from domain.campaign.schema import DocumentModel, Given, refuse
from domain.document.texts_by_language import LanguageTag, read_texts, texts_schema
from domain.people.topics.deployed import find_text
from domain.sending.incoming_texts import Word
from domain.sending.providers.model import ProviderModel

MAX_ANSWER_CHARACTERS: Final = 480
AnswerText = Annotated[str, Field(min_length=1, max_length=MAX_ANSWER_CHARACTERS)]
AnswerTexts = Annotated[
    dict[LanguageTag, AnswerText], BeforeValidator(read_texts), WithJsonSchema(texts_schema(MAX_ANSWER_CHARACTERS))
]
# E.164, a short code, or letters where the region allows them.
Originator = Annotated[str, Field(pattern=r"^(\+[1-9][0-9]{6,14}|[0-9]{3,8}|[A-Za-z0-9 &_-]{1,11})$")]


class AnswersModel(DocumentModel):
    """The answers to words, by language; a word that is left out has none."""

    stop: Annotated[AnswerTexts | None, Given] = Field(
        None, description="to STOP: that no more messages come, without advertising"
    )
    start: Annotated[AnswerTexts | None, Given] = Field(None, description="to START after a STOP")
    help: Annotated[AnswerTexts | None, Given] = Field(None, description="to HELP: who sends, and how to stop it")


class TextModel(ProviderModel):
    """An account at a provider of text messages."""

    channels: ClassVar[frozenset[str] | None] = frozenset({"sms"})

    carrier_replies: bool = Field(
        False, description="`true` if the provider itself answers STOP, START and HELP: they are recorded alone"
    )
    answers: Annotated[AnswersModel | None, Given] = Field(
        None, description='what is answered: `{stop: "You will get no more messages.", help: "…"}`'
    )

    def find_answer(self, word: Word, locale: str | None) -> str | None:
        """Return the answer to a word in a person's language; None without one."""
        texts = None if self.answers is None else getattr(self.answers, word)
        return None if texts is None else find_text(texts, locale)

    @model_validator(mode="after")
    def _answers_once(self) -> Self:
        if self.carrier_replies and self.answers is not None:
            refuse("the provider answers by `carrier_replies`, and so would `answers`", "Keep one of them")
        return self
