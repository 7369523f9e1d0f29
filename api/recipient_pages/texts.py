"""The texts of the pages for recipients, in the languages that Sojourn has.

`{channel}` is a word such as "e-mail", `{topic}` the name of a topic, `{date}` a day.
"""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct


class PageTexts(Struct, frozen=True, kw_only=True):
    """The texts of one language."""

    language: str
    channels: Mapping[str, str]
    date: str
    months: str
    # Unsubscribing
    stop_topic: str
    stop_topic_text: str
    stop_topic_button: str
    stop_channel: str
    stop_channel_text: str
    stop_channel_button: str
    stopped: str
    stopped_topic: str
    stopped_channel: str
    # The preference centre
    preferences: str
    preferences_text: str
    by_channel: str
    required: str
    pending: str
    channel_refused: str
    pace: str
    often: str
    weekly: str
    pause: str
    pause_30: str
    paused_until: str
    save: str
    saved: str
    everything: str
    everything_text: str
    everything_button: str
    everything_done: str
    # Double opt-in
    confirm: str
    confirm_text: str
    confirm_button: str
    confirmed: str
    confirmed_text: str
    over: str
    over_text: str
    # Surveys
    survey: str
    survey_send: str
    survey_skip: str
    survey_kept: str
    survey_unreadable: str
    survey_thanks: str
    survey_thanks_text: str
    survey_closed: str
    survey_closed_text: str
    # Links that do not work
    broken: str
    broken_text: str
    preview: str
    preview_text: str
    try_again: str
    try_again_text: str

    def channel(self, name: str) -> str:
        """Return the word for a channel."""
        return self.channels.get(name, name)


_ENGLISH: Final = PageTexts(
    language="en",
    channels={
        "email": "e-mail",
        "sms": "SMS",
        "whatsapp": "WhatsApp",
        "push": "push",
        "webhook": "webhook",
        "post": "post",
        "slack": "Slack",
        "chat": "chat",
        "call": "telephone",
        "in_app": "app",
    },
    date="{day} {month} {year}",
    months="January February March April May June July August September October November December",
    stop_topic="Unsubscribe from “{topic}”?",
    stop_topic_text="You will get no more messages about “{topic}” by {channel}. Other topics are not changed.",
    stop_topic_button="Unsubscribe from “{topic}”",
    stop_channel="Stop all {channel} messages?",
    stop_channel_text="You will get no more {channel} messages from us, except those that you need: about your orders, "
    "your account and your security.",
    stop_channel_button="Stop all {channel} messages",
    stopped="You are unsubscribed",
    stopped_topic="You will get no more messages about “{topic}” by {channel}. You may close this page.",
    stopped_channel="You will get no more {channel} messages, except those about your orders, your account and your "
    "security. You may close this page.",
    preferences="Your messages from us",
    preferences_text="Choose what you want to get. Nothing changes until you save.",
    by_channel="By {channel}",
    required="This is always sent, as it concerns your contract with us.",
    pending="You have asked for this and not confirmed it yet. Saving it here confirms it.",
    channel_refused="You have stopped all {channel} messages. Tick a topic and save to get that one again.",
    pace="How often?",
    often="As often as there is something",
    weekly="At most one message a week",
    pause="Not now?",
    pause_30="Pause everything for 30 days",
    paused_until="Paused until {date}; untick to go on now",
    save="Save",
    saved="Saved.",
    everything="Stop everything",
    everything_text="No more messages about any topic, by {channel}. Messages about your orders, your account and your "
    "security still come.",
    everything_button="Stop everything",
    everything_done="Everything is stopped. Messages about your orders, your account and your security still come.",
    confirm="Confirm “{topic}”?",
    confirm_text="You, or someone in your name, asked for “{topic}” by {channel} to this address. Nothing is sent "
    "until you confirm. If it was not you, close this page.",
    confirm_button="Yes, subscribe to “{topic}”",
    confirmed="You are subscribed",
    confirmed_text="You will get “{topic}” by {channel}. Each message has a link to unsubscribe.",
    over="This can no longer be confirmed",
    over_text="The link is older than 7 days, or the subscription was taken back. Subscribe once more to get "
    "a new one.",
    survey="Your opinion",
    survey_send="Send answer",
    survey_skip="Skip",
    survey_kept="Your answer is saved.",
    survey_unreadable="Please choose or write an answer.",
    survey_thanks="Thank you",
    survey_thanks_text="Your answer is saved. You may close this page.",
    survey_closed="This survey is closed",
    survey_closed_text="It takes no more answers. Thank you for your interest.",
    broken="This link does not work",
    broken_text="It is incomplete or no longer valid.",
    preview="This is the link of a preview",
    preview_text="It opens nothing and changes nothing. The message itself has a working one.",
    try_again="Please try again",
    try_again_text="This is not possible at the moment. Please come back a little later.",
)
_GERMAN: Final = PageTexts(
    language="de",
    channels={
        "email": "E-Mail",
        "sms": "SMS",
        "whatsapp": "WhatsApp",
        "push": "Push-Nachricht",
        "webhook": "Webhook",
        "post": "Post",
        "slack": "Slack",
        "chat": "Chat",
        "call": "Telefon",
        "in_app": "App",
    },
    date="{day}. {month} {year}",
    months="Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
    stop_topic="„{topic}“ abbestellen?",
    stop_topic_text="Sie erhalten per {channel} nichts mehr zu „{topic}“. Andere Themen bleiben, wie sie sind.",
    stop_topic_button="„{topic}“ abbestellen",
    stop_channel="Alles per {channel} abbestellen?",
    stop_channel_text="Sie erhalten von uns nichts mehr per {channel}, außer dem, was Sie brauchen: zu Ihren "
    "Bestellungen, Ihrem Konto und Ihrer Sicherheit.",
    stop_channel_button="Alles per {channel} abbestellen",
    stopped="Sie sind abgemeldet",
    stopped_topic="Sie erhalten per {channel} nichts mehr zu „{topic}“. Sie können diese Seite schließen.",
    stopped_channel="Sie erhalten nichts mehr per {channel}, außer zu Ihren Bestellungen, Ihrem Konto und Ihrer "
    "Sicherheit. Sie können diese Seite schließen.",
    preferences="Ihre Nachrichten von uns",
    preferences_text="Wählen Sie, was Sie erhalten möchten. Erst mit dem Speichern ändert sich etwas.",
    by_channel="Per {channel}",
    required="Das senden wir immer, da es Ihren Vertrag mit uns betrifft.",
    pending="Sie haben das angefordert und noch nicht bestätigt. Wenn Sie es hier speichern, ist es bestätigt.",
    channel_refused="Sie haben alles per {channel} abbestellt. Wählen Sie ein Thema und speichern Sie, um nur dieses "
    "wieder zu erhalten.",
    pace="Wie oft?",
    often="So oft, wie es etwas gibt",
    weekly="Höchstens eine Nachricht in der Woche",
    pause="Gerade nicht?",
    pause_30="30 Tage lang alles pausieren",
    paused_until="Pause bis {date}; Häkchen entfernen, um sie zu beenden",
    save="Speichern",
    saved="Gespeichert.",
    everything="Alles abbestellen",
    everything_text="Keine Nachrichten mehr zu irgendeinem Thema, per {channel}. Nachrichten zu Ihren Bestellungen, "
    "Ihrem Konto und Ihrer Sicherheit kommen weiterhin.",
    everything_button="Alles abbestellen",
    everything_done="Alles ist abbestellt. Nachrichten zu Ihren Bestellungen, Ihrem Konto und Ihrer Sicherheit kommen "
    "weiterhin.",
    confirm="„{topic}“ bestätigen?",
    confirm_text="Jemand, wahrscheinlich Sie, hat „{topic}“ per {channel} an diese Adresse bestellt. Bevor Sie es "
    "bestätigen, senden wir nichts. Waren Sie es nicht, schließen Sie diese Seite.",
    confirm_button="Ja, „{topic}“ abonnieren",
    confirmed="Sie sind angemeldet",
    confirmed_text="Sie erhalten „{topic}“ per {channel}. In jeder Nachricht steht, wie Sie sich abmelden.",
    over="Das lässt sich nicht mehr bestätigen",
    over_text="Der Link ist älter als 7 Tage, oder die Anmeldung wurde zurückgenommen. Melden Sie sich noch einmal an, "
    "um einen neuen zu erhalten.",
    survey="Ihre Meinung",
    survey_send="Antwort senden",
    survey_skip="Überspringen",
    survey_kept="Ihre Antwort ist gespeichert.",
    survey_unreadable="Bitte wählen oder schreiben Sie eine Antwort.",
    survey_thanks="Vielen Dank",
    survey_thanks_text="Ihre Antwort ist gespeichert. Sie können diese Seite schließen.",
    survey_closed="Diese Umfrage ist beendet",
    survey_closed_text="Sie nimmt keine Antworten mehr an. Vielen Dank für Ihr Interesse.",
    broken="Dieser Link funktioniert nicht",
    broken_text="Er ist unvollständig oder nicht mehr gültig.",
    preview="Dies ist der Link einer Vorschau",
    preview_text="Er gehört niemandem und ändert nichts. Die Nachricht selbst hat einen, der funktioniert.",
    try_again="Bitte versuchen Sie es noch einmal",
    try_again_text="Das ist gerade nicht möglich. Bitte kommen Sie etwas später wieder.",
)
_FRENCH: Final = PageTexts(
    language="fr",
    channels={
        "email": "e-mail",
        "sms": "SMS",
        "whatsapp": "WhatsApp",
        "push": "notification",
        "webhook": "webhook",
        "post": "courrier",
        "slack": "Slack",
        "chat": "chat",
        "call": "téléphone",
        "in_app": "application",
    },
    date="{day} {month} {year}",
    months="janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
    stop_topic="Se désabonner de « {topic} » ?",
    stop_topic_text="Vous ne recevrez plus rien par {channel} sur « {topic} ». Les autres sujets ne changent pas.",
    stop_topic_button="Se désabonner de « {topic} »",
    stop_channel="Arrêter tous les messages par {channel} ?",
    stop_channel_text="Vous ne recevrez plus rien de nous par {channel}, sauf ce qui vous est nécessaire : vos "
    "commandes, votre compte et votre sécurité.",
    stop_channel_button="Arrêter tous les messages par {channel}",
    stopped="Vous êtes désabonné(e)",
    stopped_topic="Vous ne recevrez plus rien par {channel} sur « {topic} ». Vous pouvez fermer cette page.",
    stopped_channel="Vous ne recevrez plus rien par {channel}, sauf sur vos commandes, votre compte et votre sécurité. "
    "Vous pouvez fermer cette page.",
    preferences="Vos messages de notre part",
    preferences_text="Choisissez ce que vous voulez recevoir. Rien ne change avant l’enregistrement.",
    by_channel="Par {channel}",
    required="Toujours envoyé, car cela concerne votre contrat avec nous.",
    pending="Vous l’avez demandé sans l’avoir encore confirmé. L’enregistrer ici le confirme.",
    channel_refused="Vous avez arrêté tous les messages par {channel}. Cochez un sujet et enregistrez pour ne recevoir "
    "que lui.",
    pace="À quelle fréquence ?",
    often="Aussi souvent qu’il y a du nouveau",
    weekly="Un message par semaine au plus",
    pause="Pas maintenant ?",
    pause_30="Tout mettre en pause pendant 30 jours",
    paused_until="En pause jusqu’au {date} ; décochez pour reprendre",
    save="Enregistrer",
    saved="Enregistré.",
    everything="Tout arrêter",
    everything_text="Plus aucun message, sur aucun sujet, par {channel}. Les messages sur vos commandes, votre compte "
    "et votre sécurité arrivent toujours.",
    everything_button="Tout arrêter",
    everything_done="Tout est arrêté. Les messages sur vos commandes, votre compte et votre sécurité arrivent "
    "toujours.",
    confirm="Confirmer « {topic} » ?",
    confirm_text="Quelqu’un, sans doute vous, a demandé « {topic} » par {channel} à cette adresse. Rien n’est envoyé "
    "avant votre confirmation. Si ce n’était pas vous, fermez cette page.",
    confirm_button="Oui, s’abonner à « {topic} »",
    confirmed="Vous êtes abonné(e)",
    confirmed_text="Vous recevrez « {topic} » par {channel}. Chaque message contient un lien de désabonnement.",
    over="Cela ne peut plus être confirmé",
    over_text="Le lien a plus de 7 jours, ou la demande a été retirée. Abonnez-vous de nouveau pour en "
    "recevoir un autre.",
    survey="Votre avis",
    survey_send="Envoyer la réponse",
    survey_skip="Passer",
    survey_kept="Votre réponse est enregistrée.",
    survey_unreadable="Veuillez choisir ou écrire une réponse.",
    survey_thanks="Merci",
    survey_thanks_text="Votre réponse est enregistrée. Vous pouvez fermer cette page.",
    survey_closed="Cette enquête est terminée",
    survey_closed_text="Elle n’accepte plus de réponses. Merci de votre intérêt.",
    broken="Ce lien ne fonctionne pas",
    broken_text="Il est incomplet ou n’est plus valable.",
    preview="Ceci est le lien d’un aperçu",
    preview_text="Il n’appartient à personne et ne change rien. Le message lui-même contient un lien valable.",
    try_again="Veuillez réessayer",
    try_again_text="Ce n’est pas possible pour le moment. Revenez un peu plus tard.",
)
_SPANISH: Final = PageTexts(
    language="es",
    channels={
        "email": "correo",
        "sms": "SMS",
        "whatsapp": "WhatsApp",
        "push": "notificación",
        "webhook": "webhook",
        "post": "correo postal",
        "slack": "Slack",
        "chat": "chat",
        "call": "teléfono",
        "in_app": "aplicación",
    },
    date="{day} de {month} de {year}",
    months="enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
    stop_topic="¿Cancelar la suscripción a «{topic}»?",
    stop_topic_text="No recibirá nada más sobre «{topic}» por {channel}. Los demás temas no cambian.",
    stop_topic_button="Cancelar la suscripción a «{topic}»",
    stop_channel="¿Parar todos los mensajes por {channel}?",
    stop_channel_text="No recibirá nada más de nosotros por {channel}, salvo lo que necesita: sus pedidos, su cuenta y "
    "su seguridad.",
    stop_channel_button="Parar todos los mensajes por {channel}",
    stopped="Su suscripción está cancelada",
    stopped_topic="No recibirá nada más sobre «{topic}» por {channel}. Puede cerrar esta página.",
    stopped_channel="No recibirá nada más por {channel}, salvo sobre sus pedidos, su cuenta y su seguridad. Puede "
    "cerrar esta página.",
    preferences="Sus mensajes de nuestra parte",
    preferences_text="Elija lo que quiere recibir. Nada cambia hasta que guarde.",
    by_channel="Por {channel}",
    required="Se envía siempre, porque afecta a su contrato con nosotros.",
    pending="Lo ha pedido y aún no lo ha confirmado. Si lo guarda aquí, queda confirmado.",
    channel_refused="Ha parado todos los mensajes por {channel}. Marque un tema y guarde para recibir solo ese.",
    pace="¿Con qué frecuencia?",
    often="Siempre que haya algo",
    weekly="Un mensaje por semana como máximo",
    pause="¿Ahora no?",
    pause_30="Pausar todo durante 30 días",
    paused_until="En pausa hasta el {date}; desmarque para reanudar",
    save="Guardar",
    saved="Guardado.",
    everything="Parar todo",
    everything_text="Ningún mensaje más sobre ningún tema, por {channel}. Los mensajes sobre sus pedidos, su cuenta y "
    "su seguridad siguen llegando.",
    everything_button="Parar todo",
    everything_done="Todo está parado. Los mensajes sobre sus pedidos, su cuenta y su seguridad siguen llegando.",
    confirm="¿Confirmar «{topic}»?",
    confirm_text="Alguien, probablemente usted, ha pedido «{topic}» por {channel} para esta dirección. No se envía "
    "nada hasta que lo confirme. Si no fue usted, cierre esta página.",
    confirm_button="Sí, suscribirme a «{topic}»",
    confirmed="Está suscrito",
    confirmed_text="Recibirá «{topic}» por {channel}. Cada mensaje tiene un enlace para cancelar la suscripción.",
    over="Esto ya no se puede confirmar",
    over_text="El enlace tiene más de 7 días, o la suscripción se retiró. Suscríbase de nuevo para recibir otro.",
    survey="Su opinión",
    survey_send="Enviar la respuesta",
    survey_skip="Omitir",
    survey_kept="Su respuesta está guardada.",
    survey_unreadable="Elija o escriba una respuesta.",
    survey_thanks="Gracias",
    survey_thanks_text="Su respuesta está guardada. Puede cerrar esta página.",
    survey_closed="Esta encuesta está cerrada",
    survey_closed_text="Ya no admite respuestas. Gracias por su interés.",
    broken="Este enlace no funciona",
    broken_text="Está incompleto o ya no es válido.",
    preview="Este es el enlace de una vista previa",
    preview_text="No es de nadie y no cambia nada. El mensaje mismo tiene uno que funciona.",
    try_again="Inténtelo de nuevo",
    try_again_text="No es posible en este momento. Vuelva un poco más tarde.",
)
LANGUAGES: Final[Mapping[str, PageTexts]] = {one.language: one for one in (_ENGLISH, _GERMAN, _FRENCH, _SPANISH)}


def choose_texts(locale: str | None, accepted: str | None = None) -> PageTexts:
    """Return the texts for a recipient's locale, else for an Accept-Language header.

    English stands for a language that Sojourn does not have.
    """
    wanted = [part.partition(";")[0].strip() for part in (accepted or "").split(",")[:20]]
    for tag in (locale or "", *wanted):
        code = tag.replace("_", "-").lower().partition("-")[0]
        if code in LANGUAGES:
            return LANGUAGES[code]
    return _ENGLISH
