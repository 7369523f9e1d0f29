"""User tokens: a server of the customer vouches for the user of a browser.

A token is a JWT (RFC 7519) signed with HS256 by the secret of a browser key. The algorithm is fixed: the token's own
header is not asked.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import jwt
from msgspec import Struct

from domain.tracking.identifiers import Placeholders, read_identifier
from domain.tracking.item_error import ItemError

AUDIENCE: Final = "sojourn"
ALGORITHM: Final = "HS256"
MAX_LIFETIME: Final = timedelta(hours=24)
# Between the clocks of the servers.
LEEWAY: Final = timedelta(minutes=1)
# A user id has 255 characters at most.
MAX_TOKEN_CHARACTERS: Final = 8_192
MAX_GROUPS: Final = 100
# A server names a user knowingly.
_NO_PLACEHOLDERS: Final = Placeholders(())


class VerifiedUser(Struct, frozen=True):
    """The user of a valid token, and the groups for which it may report as well."""

    user_id: str
    groups: frozenset[str]
    expires_at: datetime


class TokenFault(Struct, frozen=True):
    """Why a token does not count, without its text."""

    reason: str


def verify_user_token(token: object, secrets: Sequence[str], at: datetime) -> VerifiedUser | TokenFault:
    """Verify a token at an instant. `secrets` are those of the key, each as good."""
    if not isinstance(token, str) or len(token) > MAX_TOKEN_CHARACTERS:
        return TokenFault("it is not a JWT")
    claims: dict[str, Any] | None = None
    for secret in secrets:
        try:
            claims = jwt.decode(
                token,
                secret.encode(),
                algorithms=[ALGORITHM],
                audience=AUDIENCE,
                # Times are judged below, at the arrival.
                options={
                    "require": ["sub", "aud", "exp"],
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                },
            )
        except jwt.InvalidSignatureError:
            continue
        except jwt.InvalidAudienceError:
            return TokenFault(f"its `aud` is not `{AUDIENCE}`")
        except jwt.MissingRequiredClaimError as error:
            return TokenFault(f"it lacks `{error.claim}`")
        except jwt.InvalidAlgorithmError:
            return TokenFault(f"it is not signed with {ALGORITHM}")
        except (jwt.PyJWTError, ValueError, RecursionError):
            return TokenFault("it is not a valid JWT")
        break
    if claims is None:
        return TokenFault("it is not signed with a secret of this key")
    return _find_time_fault(claims, at) or _read_user(claims)


def _find_time_fault(claims: dict[str, Any], at: datetime) -> TokenFault | None:
    now, expires = at.timestamp(), claims["exp"]
    times = [expires, *(claims[name] for name in ("iat", "nbf") if claims.get(name) is not None)]
    if not all(isinstance(time, int | float) and not isinstance(time, bool) for time in times):
        return TokenFault("its `exp`, `iat` and `nbf` must be seconds since 1970")
    # NaN is neither before nor after.
    if not expires > now:
        return TokenFault("it has expired")
    if expires > now + (MAX_LIFETIME + LEEWAY).total_seconds():
        return TokenFault("its `exp` is more than 24 hours away")
    if any(time > now + LEEWAY.total_seconds() for time in times[1:]):
        return TokenFault("it is not valid yet")
    return None


def _read_user(claims: dict[str, Any]) -> VerifiedUser | TokenFault:
    groups = claims.get("groups", [])
    if (user_id := _read_user_id(claims["sub"])) is None:
        return TokenFault("its `sub` is not a user id")
    if not isinstance(groups, list) or len(groups) > MAX_GROUPS or not all(isinstance(one, str) for one in groups):
        return TokenFault(f"its `groups` must be a list of at most {MAX_GROUPS} group ids")
    return VerifiedUser(user_id, frozenset(groups), datetime.fromtimestamp(claims["exp"], UTC))


def _read_user_id(sub: object) -> str | None:
    """Return a user id as calls may name it."""
    try:
        return read_identifier("sub", sub, _NO_PLACEHOLDERS) if isinstance(sub, str) else None
    except ItemError:
        return None
