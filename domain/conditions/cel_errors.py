"""CEL's errors in the words of a campaign's author."""

import re
from collections.abc import Collection, Mapping, Sequence

from domain.suggestions import did_you_mean

_FIRST = re.compile(r"ERROR: <input>:(-?\d+):(-?\d+): (.*)")
_UNDECLARED = re.compile(r"undeclared reference to '([^']+)'")
_OVERLOAD = re.compile(r"found no matching overload for '([^']+)' applied to '\((.*)\)'")
_SELECTED = re.compile(r"expression of type '(\w+)' cannot be the operand of a select operation")
_EXPECTING = re.compile(r" expecting .*")
_WRAPPER = re.compile(r"wrapper\(string\)")
_KINDS = {
    "google.protobuf.Timestamp": "timestamp",
    "google.protobuf.Duration": "duration",
    "int": "number",
}
# Errors of an evaluation.
_STATUS = re.compile(r"^[A-Z_]+: ")
_KEY_NOT_FOUND = "Key not found in map"
_NO_OVERLOAD = re.compile(r"No matching overloads found : (.*)")
_VALUE_KINDS = {
    "string": "a text",
    "int64": "a whole number",
    "uint64": "a whole number",
    "double": "a number",
    "bool": "true or false",
    "list": "a list",
    "map": "an object",
    "null_type": "null",
    "google.protobuf.Timestamp": "a time",
    "google.protobuf.Duration": "a duration",
}
_CALL = re.compile(r"(?:\((?P<receiver>[\w.]+)\)\.)?(?P<function>[^\s(]+)(?:\((?P<arguments>[^()]*)\))?")
_HYPHENATED = re.compile(r"\bjourney\.(steps|messages|arms)\.([a-z0-9_]+-[a-z0-9_-]+)")

_FUNCTIONS = (
    *("all", "bool", "contains", "double", "duration", "endsWith", "exists", "exists_one", "filter", "getDate"),
    *("getDayOfWeek", "getFullYear", "getHours", "getMinutes", "getMonth", "has", "int", "map", "matches", "size"),
    *("startsWith", "string", "timestamp", "type"),
)
# How the functions beside those of CEL are written.
_FORMS = {
    "within": '`within(profile.computed.last_order_at, "14d")`',
    "known_for": '`known_for("14d")`',
    "anniversary": "`anniversary(profile.traits.birthday)`",
    "in_area": '`in_area(profile, "storm-12")`',
}
# The fields with data from clients.
_DATA = {
    "event": "event.properties",
    "entry": "entry.properties",
    "profile": "profile.traits",
    "account": "account.traits",
}
_COMPUTED = "profile.computed"
_NOW = frozenset({"now", "today", "current_time"})
_SYNTAX = "CEL writes `==`, `!=`, `&&`, `||`, `!`, `in`, `has(…)`, and texts in straight quotes"


def explain(
    error: str,
    text: str,
    visible: Sequence[str],
    roots: Mapping[str, Mapping[str, object]],
    computed: Collection[str] | None,
) -> tuple[str, str]:
    """Return the first error of a compilation as message and suggestion.

    `computed` are the keys of the deployment's computed traits; None if they are not known.
    """
    first = _FIRST.search(error)
    if first is None:
        said = _STATUS.sub("", error).removesuffix(" [INVALID_ARGUMENT]")
        return f"CEL refuses the expression: {said[:120]}", "Make it shorter and less nested"
    line, column, said = first.groups()
    where = _format_position(int(line), int(column))
    if undeclared := _UNDECLARED.search(said):
        is_computed = "profile" in visible and undeclared[1].startswith(_COMPUTED)
        message, suggestion = (
            _explain_computed(undeclared[1], computed) if is_computed else _unknown(undeclared[1], text, visible, roots)
        )
    elif selected := _SELECTED.search(said):
        message, suggestion = f"a {selected[1]} has no fields", f"Compare the {selected[1]} itself: `… == …`"
    elif overload := _OVERLOAD.search(said):
        message, suggestion = _mismatch(*overload.groups())
    else:
        message, suggestion = _EXPECTING.sub("", said).removesuffix(" [INVALID_ARGUMENT]"), _SYNTAX
    return message + where, suggestion


def explain_failure(error: str) -> str:
    """Explain a failed evaluation by the operator or function and its values' types."""
    said = _STATUS.sub("", error)
    if said.startswith(_KEY_NOT_FOUND):
        # The key follows, which may be personal data.
        return "an object has no key of this name"
    overload = _NO_OVERLOAD.match(said)
    call = _CALL.fullmatch(overload[1]) if overload else None
    if call is None:
        return "a value that has no fields was asked for one" if "SELECT to non-message" in said else said
    function = call["function"].removesuffix("_compiled").strip("_@") or call["function"]
    kinds = [call["receiver"], *(call["arguments"] or "").split(", ")]
    given = " and ".join(_VALUE_KINDS.get(kind, kind) for kind in kinds if kind)
    return f"`{function}` cannot take {given}" if given else f"`{function}` cannot take these values"


def position(text: str, offset: int) -> str:
    """Describe the position of a character in an expression."""
    before = text[:offset]
    return _format_position(before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1)


def _format_position(line: int, column: int) -> str:
    # CEL gives -1 if it knows no place.
    return f" (column {column})" if line == 1 else f" (line {line}, column {column})" if line > 1 else ""


def _unknown(
    name: str, text: str, visible: Sequence[str], roots: Mapping[str, Mapping[str, object]]
) -> tuple[str, str]:
    if hyphenated := _HYPHENATED.search(text):
        holder, step = hyphenated.groups()
        return (
            f"`{step}` is read as a subtraction",
            f"Write `journey.{holder}['{step}']` for an id with a hyphen",
        )
    root, _, rest = name.partition(".")
    field = rest.partition(".")[0]
    if root in roots and root not in visible:
        hint = "; the event that let the user in is `entry`" if root == "event" and "entry" in visible else ""
        return f"`{root}` is not known here", f"Known here: {', '.join(visible)}{hint}"
    if root in visible and not field:
        fields = ", ".join(f"`{root}.{one}`" for one in roots[root])
        return f"`{root}` is not a value of its own", f"Name one of its fields: {fields}"
    if root in visible:
        remedy = did_you_mean(field, roots[root], f"Fields of {root}")
        if "?" not in remedy and (data := _DATA.get(root)) is not None:
            remedy = f"Did you mean `{data}.{field}`? {remedy}"
        return f"`{root}` has no field `{field}`", remedy
    known = f"Known here: {', '.join(visible)}"
    if root.lower() in _NOW and "profile" in visible:
        return (
            f"`{root}` is not known",
            "Write `within(…, '14d')` for the last 14 days, `within(…, '-3d')` for the next 3",
        )
    is_call = re.search(rf"\b{re.escape(root)}\s*\(", text) is not None
    if is_call and (root in _FORMS or root in _FUNCTIONS):
        # CEL knows a function by the number of its arguments.
        remedy = f"Write {_FORMS[root]}" if root in _FORMS else "Compare it with CEL's list of functions"
        return f"`{root}` takes another number of arguments", remedy
    close, found, _ = did_you_mean(root, [*visible, *_FUNCTIONS, *_FORMS]).partition("? ")
    if not found and not is_call:
        holder = next((one for one in visible if root in roots[one]), None)
        close = f"Did you mean `{holder or _DATA[visible[0]]}.{name}`"
        found = "? "
    return f"`{root}` is not known", f"{close}{found}{known}" if found else known


def _explain_computed(name: str, computed: Collection[str] | None) -> tuple[str, str]:
    key = name.removeprefix(_COMPUTED).removeprefix(".")
    if not key or computed is None:
        said = f"`{_COMPUTED}` is not a value of its own"
        return said, f"Name one of the computed traits: {', '.join(computed or ['`profile.computed.orders`'])}"
    declare = "Declare it in the document of computed traits, and apply that first"
    return f"there is no computed trait `{key}`", f"{did_you_mean(key, computed, 'Applied')}. {declare}"


def _mismatch(function: str, arguments: str) -> tuple[str, str]:
    operator = function.strip("_@") if re.fullmatch(r"[_@\W]+|@in", function) else function
    # The checker sees a decimal as a whole number.
    operator = "double" if operator == "number" else operator
    kinds = _WRAPPER.sub("string or null", arguments)
    for cel_name, kind in _KINDS.items():
        kinds = re.sub(rf"\b{re.escape(cel_name)}\b", kind, kinds)
    hint = "Compare like with like: texts stand in quotes, numbers do not"
    if "timestamp" in kinds:
        hint += "; a time is written `timestamp('2026-01-01T00:00:00Z')`"
    elif "string" in kinds and "number" in kinds and "double" not in kinds:
        hint = "A text is compared with a text, in quotes: `… == '5'`"
    if function in _FORMS:
        hint = f"Write {_FORMS[function]}"
    return f"`{operator}` does not apply to ({kinds})", hint
