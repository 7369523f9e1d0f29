"""Breaches of the language rules. `python -m tests.prose [ROOT]` lists those of a checkout's sentences."""

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).parents[1]
PACKAGES: Final = ("activities", "api", "application", "channels", "cli", "domain", "runtime", "store", "workflows")
MAX_SUMMARY: Final = 80

# A sentence begins with a text, after the end of another, in a list, in a heading or in a cell of a table.
_START: Final = r"(?:\A|[.!?:][\"')*_]*\s+|\n\s*\n\s*|\n\s*(?:[-*]|\d+\.|\#+)\s+|\|\s*)[*_]{0,2}"
_INVERTED: Final = re.compile(_START + r"(?:Of|What|Whatever|Whoever|Those who|That)\b(?!')")
_OBSCURE: Final = re.compile(
    r"\b(?:whom|whoever|nobody|somebody|(?:is|are) let be|in hand|to be had|one looks|(?:is|are) told of)\b",
    re.IGNORECASE,
)
# "`x` is not a valid y", never "`x` is no y": the negation is part of the verb.
_NEGATED: Final = re.compile(
    r"(?<!there )\b(?:is|are|was|were) no (?!longer\b|more\b|one\b)|\b(?:is|are) none of\b", re.IGNORECASE
)
# A comment of TypeScript: a run of lines, or a block. An address has no blank before its slashes.
_SCRIPT_COMMENT: Final = re.compile(
    r"(?:(?:^|(?<=\s))//(?=\s)[^\n]*(?:\n[ \t]*(?=//\s))?)+|/\*\*?\s.*?\*/", re.MULTILINE | re.DOTALL
)
# Between tags, and in quotation marks; a value within counts as nothing.
_SHOWN: Final = re.compile(r">([^<>{}=;]+)[<{]|\}([^<>{}=;]+)[<{]|\"([^\"\n]*)\"|`([^`]*)`")
_FENCE: Final = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)

# Past forms that do not end in `ed`.
_IRREGULAR: Final = frozenset(
    {
        *(
            "begun",
            "bound",
            "built",
            "caught",
            "dealt",
            "done",
            "drawn",
            "found",
            "given",
            "gone",
            "heard",
            "held",
            "kept",
        ),
        *(
            "known",
            "laid",
            "led",
            "left",
            "lost",
            "made",
            "meant",
            "met",
            "paid",
            "said",
            "seen",
            "sent",
            "shown",
            "sold",
        ),
        *("sought", "stood", "taken", "taught", "thought", "told", "won", "written"),
    }
)
_ACTIVE: Final = frozenset(
    {"bring", "embed", "exceed", "feed", "need", "ping", "proceed", "seed", "shed", "string", "succeed"}
)
_NOT_A_VERB: Final = frozenset(
    {"how", "of", "or", "under", "what", "when", "where", "which", "who", "whose", "why", "within"}
)
# Signals, whose names histories hold, and filters of Liquid.
_GIVEN_NAMES: Final = frozenset({"changed", "matched", "where", "_divided_by"})
# Gerunds that are the field's own words for a thing.
_NOUNS: Final = frozenset(
    {
        "bucketing",
        "encoding",
        "ending",
        "finding",
        "fitting",
        "grouping",
        "matching",
        "missing",
        "receiving",
        "rendering",
        "routing",
        "spending",
        "tracing",
        "tracking",
        "wiring",
    }
)
_LEVELS: Final = frozenset({"debug", "info", "warning", "error", "exception", "critical"})
_LOGGERS: Final = frozenset({"log", "_log"})


class Module(NamedTuple):
    """A module of the product, parsed once for all rules."""

    file: str
    source: str
    tree: ast.Module


class Text(NamedTuple):
    """A text for people: a docstring, a run of comments, a string of several words, or a page."""

    file: str
    line: int
    text: str


def product_files(root: Path = ROOT) -> list[Path]:
    """Return the product's modules."""
    return sorted([*(file for name in PACKAGES for file in (root / name).rglob("*.py")), *root.glob("*.py")])


def read_modules(root: Path = ROOT) -> list[Module]:
    """Read and parse the product's modules."""
    return [parse(str(file.relative_to(root)), file.read_text()) for file in product_files(root)]


def parse(file: str, source: str) -> Module:
    """Parse a module."""
    return Module(file, source, ast.parse(source))


def read_texts(modules: Iterable[Module], root: Path = ROOT) -> Iterator[Text]:
    """Read all texts for people in these modules, the pages and the scripts for browsers of a checkout."""
    for name, source, tree in modules:
        yield from (Text(name, line, text) for line, text in (*_comments(source), *_strings(tree)))
    for file in sorted([*root.glob("*.md"), *(root / "docs").rglob("*.md")]):
        page = _FENCE.sub(lambda match: "\n" * match[0].count("\n"), file.read_text())
        yield Text(str(file.relative_to(root)), 1, page)
    for file in script_files(root):
        texts = (*script_comments(source := file.read_text()), *elements(source))
        yield from (Text(str(file.relative_to(root)), line, text) for line, text in texts)


def script_files(root: Path = ROOT) -> list[Path]:
    """Return the modules of the script for browsers and of the console, without generated ones."""
    files = (file for name in ("browser", "console") for file in (root / name / "src").rglob("*.ts*"))
    return sorted(file for file in files if not file.name.endswith(".d.ts"))


def _comments(source: str) -> Iterator[tuple[int, str]]:
    """Yield the comments; those on consecutive lines are one text."""
    start, end, words = 0, -1, ""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type != tokenize.COMMENT:
            continue
        line, text = token.start[0], token.string.lstrip("#: ")
        if line == end + 1 and not token.line[: token.start[1]].strip():
            end, words = line, f"{words} {text}"
        else:
            yield start, words
            start, end, words = line, line, text
    yield start, words


def script_comments(source: str) -> Iterator[tuple[int, str]]:
    """Yield the comments of a module in TypeScript, each with its line."""
    for match in _SCRIPT_COMMENT.finditer(source):
        lines = (line.strip(" \t/*") for line in match[0].splitlines())
        yield source.count("\n", 0, match.start()) + 1, "\n".join(lines)


def elements(source: str) -> Iterator[tuple[int, str]]:
    """Yield the texts of several words that a module shows: between tags and in quotation marks, each with its line."""
    code = _SCRIPT_COMMENT.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), source)
    for match in _SHOWN.finditer(code):
        text = next(filter(None, match.groups()), "")
        if " " in text.strip():
            yield code.count("\n", 0, match.start()) + 1, " ".join(text.split())


def _strings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield the strings of several words; a value within an f-string counts as one word."""
    parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        match node:
            case ast.JoinedStr(values=values):
                text = "".join(str(part.value) if isinstance(part, ast.Constant) else "x" for part in values)
            case ast.Constant(value=str(text)) if id(node) not in parts:
                pass
            case _:
                continue
        if " " in text:
            yield node.lineno, text


def find_offences(text: str) -> list[tuple[int, str]]:
    """Find the forbidden words of a text, each with the number of lines before it."""
    found = sorted((match.end(), match[0].strip(" |\n.:?!#*-\"')_")) for match in _INVERTED.finditer(text))
    found += sorted((match.end(), match[0].strip()) for rule in (_OBSCURE, _NEGATED) for match in rule.finditer(text))
    return [(text.count("\n", 0, end), words) for end, words in found]


def list_offences(modules: Iterable[Module], root: Path = ROOT) -> list[str]:
    """List the forbidden words of modules and pages, each with its file, line and sentence."""
    return [
        f"{text.file}:{text.line + line}: {words}: {text.text.splitlines()[line].strip()[:100]}"
        for text in read_texts(modules, root)
        for line, words in find_offences(text.text)
    ]


def list_summaries(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """List the first lines of docstrings that are too long or do not end with a full stop."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            summary = (ast.get_docstring(node) or ".").splitlines()[0]
            if len(summary) > MAX_SUMMARY or not summary.endswith((".", ":", "?")):
                yield node.body[0].lineno, summary


def list_names(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """List the functions whose name is a participle or a question, and the limits and timeouts without their form."""
    body = tree.body
    members = [member for parent in body if isinstance(parent, ast.ClassDef) for member in parent.body]
    for node in [*body, *members]:
        match node:
            case ast.FunctionDef(name=name, decorator_list=[]) | ast.AsyncFunctionDef(name=name, decorator_list=[]):
                if not is_verb(name):
                    yield node.lineno, name
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                if re.match(r"_?(?:MOST|LONGEST|LARGEST|BIGGEST|HIGHEST|PATIENCE)(?:_|$)", name):
                    yield node.lineno, name
                if "TIMEOUT" in name and name.isupper() and not name.endswith(("TIMEOUT", "TIMEOUT_SECONDS")):
                    yield node.lineno, name


def is_verb(name: str) -> bool:
    """Return whether a function's name can be a verb, as far as words tell."""
    first, *others = name.strip("_").split("_")
    if name in _GIVEN_NAMES:
        return True
    is_alone = not others or others[0] in ("by", "of", "off", "out", "up")
    return first not in _NOT_A_VERB and not (is_alone and _is_participle(first))


def _is_participle(word: str) -> bool:
    return word in _IRREGULAR or (word.endswith(("ed", "ing")) and word not in _ACTIVE)


def list_gerunds(modules: Iterable[Module]) -> list[str]:
    """List the modules, public types and aliases of types whose whole name is the gerund of a verb."""
    found = []
    for module in modules:
        if _is_gerund(Path(module.file).stem):
            found.append(module.file)
        found += [f"{module.file}: {name}" for name in _list_types(module.tree) if _is_gerund(name)]
    return found


def _list_types(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        match node:
            case ast.ClassDef(name=name):
                yield name
            # One of a dependency reads as a word of its parameter: `services: Using`.
            case ast.Assign(value=ast.Subscript(value=ast.Name(id="Annotated"))):
                continue
            case ast.Assign(targets=[ast.Name(id=name)]) if name[0].isupper() and not name.isupper():
                yield name


def _is_gerund(name: str) -> bool:
    is_word = re.fullmatch("[A-Z]?[a-z]+ing", name) is not None
    return is_word and name.lower() not in _NOUNS | _ACTIVE


def list_log_events(tree: ast.Module) -> Iterator[tuple[int, str, bool]]:
    """List the events that a module logs, each with whether it has a form that can be searched for."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id=logger), attr=level), args=[event, *_]) if (
                logger in _LOGGERS and level in _LEVELS
            ):
                events = [event.body, event.orelse] if isinstance(event, ast.IfExp) else [event]
                is_found = all(isinstance(one, ast.Constant) and is_log_event(str(one.value)) for one in events)
                yield node.lineno, ast.unparse(event), is_found


def is_log_event(event: str) -> bool:
    """Return whether an event reads `failed to <verb> <object>` or `<object> <verb in the past>`."""
    words = event.removesuffix(" out").split()
    if words[:2] == ["failed", "to"]:
        return len(words) > 3
    return len(words) > 1 and (words[-1].endswith("ed") or words[-1] in _IRREGULAR)


if __name__ == "__main__":
    checked = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT
    listed = list_offences(read_modules(checked), checked)
    sys.stdout.write("\n".join([*listed, f"{len(listed)} offences"]) + "\n")
