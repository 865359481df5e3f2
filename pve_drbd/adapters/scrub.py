"""Takes secrets out of what is recorded, and leaves everything else, and every grammar, as it was."""

from __future__ import annotations

import re

SCRUBBED = "scrubbed"
"""Stands for a secret: a word that DRBD's grammar takes with and without quotes."""

_NAME = (
    r"(?:shared-secret|(?:ci|smtp-|bind-|new-?)?password|passwd|passphrase|(?:client-|token-?)?secret|api-?key"
    r"|encryption-key|private-key|keyring|ticket|CSRFPreventionToken)"
)
_BARE_NAME = rf"(?:^|(?<=[\s{{;,])){_NAME}"
# What follows an opening quote, up to the end of the line where the closing one is missing (an answer cut off).
_QUOTED = r'(?:[^"\\\n]|\\.)*(?P<end>"|$)'

# In each, what `before` and `end` match stays. A form that fills its whole line comes before the same one anywhere.
_RULES = tuple(
    re.compile(rule, re.MULTILINE | re.IGNORECASE)
    for rule in (
        # drbdadm dump-xml, up to the quote that closes the element.
        rf'(?P<before>name="{_NAME}"\s+value=")(?:.*?(?P<end>"\s*/?>)|.*$)',
        # drbdsetup show --json has one key a line and escapes nothing within the quotes (drbd-utils,
        # user/v9/drbdsetup.c, __print_options_json): only the line's last quote is the end.
        r'^(?P<before>[ \t]*"shared-secret": ").*(?P<end>",?)$',
        rf'(?P<before>"{_NAME}"\s*:\s*"){_QUOTED}',
        # .res files, drbdadm dump, drbdsetup show.
        rf'(?P<before>{_BARE_NAME}[ \t]*[: \t=][ \t]*"){_QUOTED}',
        rf'(?P<before>{_BARE_NAME}[ \t]+)[^\s";{{}}:=]+(?P<end>[ \t]*;)',
        # PVE's own files (a name, then a colon or blanks and one word), and options of mounts and programs.
        rf'(?P<before>^[ \t]*{_NAME}[ \t]*:[ \t]*)[^\s"][^\n]*(?P<end>$)',
        rf'(?P<before>^[ \t]*{_NAME}[ \t]+)[^\s";:=]\S*(?<!;)(?P<end>[ \t]*$)',
        rf"(?P<before>{_BARE_NAME}=)[^\s,;\"']+(?P<end>)",
        # Command lines as drbdadm -d prints them; shell_escape (drbd-utils, shared_tool.c) puts a \ before specials.
        rf'(?P<before>--{_NAME}[= ]"){_QUOTED}',
        rf'(?P<before>--{_NAME}[= ])(?:\\.|[^\s\\"])+(?P<end>)',
        r"(?P<before>PVEAPIToken[=:] ?[^\s=!]+![^\s=:]+[=:])[^\s\"',;]+(?P<end>)",
        r"(?P<before>://[^/\s:@\"]+:)[^/\s@\"]+(?P<end>@)",
        r"(?P<before>-----BEGIN [A-Z ]*PRIVATE KEY-----)(?:(?!-----END)[\s\S])*(?P<end>)",
    )
)


def scrub(text: str) -> str:
    """`text` with each shared secret, password, API token and private key in it replaced by one fixed word.

    It knows the forms in which drbd-utils and PVE print them: XML, JSON, configuration, command lines.
    """
    for rule in _RULES:
        text = rule.sub(lambda match: f"{match['before']}{SCRUBBED}{match['end'] or ''}", text)
    return text
