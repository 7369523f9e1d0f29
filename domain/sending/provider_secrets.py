"""Resolve the secrets of providers, where messages leave and reports arrive."""

from collections.abc import Iterable

from domain.sending.outbound_secrets import BoundSecret, SecretRefusal, describe_place_remedy
from domain.sending.providers.secret_reference import SecretReference


class ProviderSecrets:
    """The secrets that a deployment leaves to its documents, by variable and file.

    A reference to anything else is refused: an admin key opens the document, and not the environment of the workers.
    """

    def __init__(self, secrets: Iterable[BoundSecret] = ()) -> None:
        self._by_place = {secret.place: secret for secret in secrets}

    def for_host(self, reference: SecretReference, host: str, *, is_fixed: bool = False) -> str:
        """Return a secret that goes to a host. Raises SecretRefusal.

        A secret bound to hosts goes to these only. Any other goes to a host that the kind of provider fixes
        (`is_fixed`), and to none that a document names.
        """
        secret = self._find(reference)
        if host.lower() not in secret.hosts and (secret.hosts or not is_fixed):
            bound = ", ".join(secret.hosts) or "no host"
            raise SecretRefusal(
                "secret_refused",
                f"the secret {reference} is bound to {bound}, and may not go to {host}: "
                f"{describe_place_remedy(secret.place, (*secret.hosts, host))}",
            )
        return secret.value

    def for_own_use(self, reference: SecretReference) -> str:
        """Return a secret that stays here, such as a key that signs. Raises SecretRefusal."""
        return self._find(reference).value

    def _find(self, reference: SecretReference) -> BoundSecret:
        # A variable may name a file that holds the value.
        places = (reference.file,) if reference.file else (reference.env, f"{reference.env}_FILE")
        found = next((self._by_place[place] for place in places if place in self._by_place), None)
        if found is None:
            where = "in the folder SOJOURN_SECRETS_FOLDER" if reference.file else "in the environment"
            raise SecretRefusal(
                "secret_missing", f"there is no secret {reference} {where} of this process; add it, and restart it"
            )
        return found
