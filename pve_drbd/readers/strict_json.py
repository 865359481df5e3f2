"""JSON from outside, read without guessing: what the grammar leaves open, or Python lets pass, is refused."""

from __future__ import annotations

import json
import math
import re
import sys
from typing import NoReturn

from pve_drbd.errors import Unreadable

_TOKEN = re.compile(r'"(?:[^"\\]++|\\.)*+"|-?(?:Infinity|[0-9][0-9.eE+-]*+)|NaN|[{}\[\]:]')
_ESCAPED_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_CONSTANTS = frozenset({"NaN", "Infinity", "-Infinity"})


class _Refused(ValueError):
    """The text is grammatical for Python's parser, but does not say one thing."""


def read_json(text: str, source: str) -> object:
    """The decoded value of `text`, which came from `source` (a command or a file).

    Raises Unreadable, with the line where Python tells it, for anything that is not one JSON value in the strict
    sense: a truncated or garbled text, a key given twice in one object, NaN and Infinity (also a number too large for
    a float), half of a surrogate pair, nesting or numbers beyond what Python takes.
    """
    try:
        value: object = json.loads(
            text, object_pairs_hook=_unique, parse_constant=_refuse_constant, parse_float=_finite_float
        )
        text.encode()
        if _ESCAPED_SURROGATE.search(text):
            json.dumps(value, ensure_ascii=False).encode()
    except json.JSONDecodeError as err:
        raise Unreadable(source, err.lineno, err.msg) from err
    except UnicodeEncodeError as err:
        raise Unreadable(source, 0, "a character that is not valid Unicode") from err
    except RecursionError as err:
        raise Unreadable(source, 0, "nested too deeply") from err
    except _Refused as err:
        raise Unreadable(source, _line_refused(text), str(err)) from err
    except ValueError as err:  # Python takes no integer of more digits than sys.get_int_max_str_digits()
        raise Unreadable(source, _line_refused(text), "a number that is too long") from err
    return value


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise _Refused(f"key {twice!r} stands twice in one object")
    return found


def _refuse_constant(word: str) -> NoReturn:
    raise _Refused(f"{word} is not a JSON number")


def _finite_float(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise _Refused(f"{digits[:40]} is too large")
    return number


def _line_refused(text: str) -> int:
    """The line of the first token that `read_json` refuses; Python's parser does not tell the place."""
    keys: list[set[str]] = []
    previous = ""
    for match in _TOKEN.finditer(text):
        token = match.group()
        refused = token in _CONSTANTS or _is_refused_number(token)
        if token in "{[":
            keys.append(set())
        elif token in "}]":
            keys.pop()
        elif token == ":":
            key = json.loads(previous)
            refused = key in keys[-1]
            keys[-1].add(key)
        if refused:
            return text.count("\n", 0, match.start()) + 1
        previous = token
    return 0


def _is_refused_number(token: str) -> bool:
    if token[0] not in "-0123456789":
        return False
    is_float = any(mark in token for mark in ".eE")
    return not math.isfinite(float(token)) if is_float else len(token) > sys.get_int_max_str_digits()
