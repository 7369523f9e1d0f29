"""The words that a page adds to messages, in the languages that Sojourn has.

Those of any other language are written in the template, by `labels`. `message` and `survey` name a dialog without a
title to those who hear it, and `of` stands between two numbers.
"""

from collections.abc import Mapping
from typing import Final, Literal, get_args

Label = Literal["close", "back", "next", "done", "skip", "submit", "message", "survey", "of"]
LABELS: Final[tuple[Label, ...]] = get_args(Label)
Direction = Literal["ltr", "rtl"]
DIRECTIONS: Final[tuple[Direction, ...]] = get_args(Direction)
MAX_LABEL_CHARACTERS: Final = 60
# Languages whose script is written from right to left: Unicode CLDR, `characterOrder`.
_RIGHT_TO_LEFT: Final = frozenset({"ar", "ckb", "dv", "fa", "he", "ku", "ps", "sd", "ug", "ur", "yi"})

_TEXTS: Final[Mapping[str, tuple[str, ...]]] = {
    "en": ("Close", "Back", "Next", "Done", "Skip", "Send", "Message", "Survey", "of"),
    "de": ("Schließen", "Zurück", "Weiter", "Fertig", "Überspringen", "Senden", "Nachricht", "Umfrage", "von"),
    "fr": ("Fermer", "Retour", "Suivant", "Terminer", "Passer", "Envoyer", "Message", "Enquête", "sur"),
    "es": ("Cerrar", "Atrás", "Siguiente", "Listo", "Omitir", "Enviar", "Mensaje", "Encuesta", "de"),
    "it": ("Chiudi", "Indietro", "Avanti", "Fine", "Salta", "Invia", "Messaggio", "Sondaggio", "di"),
    "nl": ("Sluiten", "Terug", "Volgende", "Klaar", "Overslaan", "Versturen", "Bericht", "Enquête", "van"),
    "pt": ("Fechar", "Voltar", "Seguinte", "Concluir", "Ignorar", "Enviar", "Mensagem", "Inquérito", "de"),
    "ar": ("إغلاق", "السابق", "التالي", "تم", "تخطي", "إرسال", "رسالة", "استطلاع", "من"),
    "he": ("סגירה", "הקודם", "הבא", "סיום", "דילוג", "שליחה", "הודעה", "סקר", "מתוך"),
}
LANGUAGES: Final = tuple(_TEXTS)


def labels_of(language: str | None) -> dict[Label, str]:
    """Return the words of a language; English for one that is not here."""
    return dict(zip(LABELS, _TEXTS.get(_base(language), _TEXTS["en"]), strict=True))


def direction_of(language: str | None) -> Direction:
    """Return the direction of a language's script."""
    return "rtl" if _base(language) in _RIGHT_TO_LEFT else "ltr"


def _base(language: str | None) -> str:
    return (language or "").partition("-")[0].lower()
