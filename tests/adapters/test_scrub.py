"""Secrets leave the recordings; nothing else does, and every form can still be parsed."""

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from xml.sax.saxutils import quoteattr

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from pve_drbd.adapters.scrub import SCRUBBED, scrub

SAMPLES = Path(__file__).parents[1] / "samples"
RECORDED = sorted([*(SAMPLES / "secrets").iterdir(), *(SAMPLES / "bundles").glob("*/nodes/*/*.*")])
SECRETS = st.text(st.characters(min_codepoint=32, exclude_categories=["C"]), min_size=5, max_size=64).map(
    lambda text: f"k{text}k"  # so that what is looked for afterwards is not a part of the grammar around it
)


@pytest.mark.parametrize("file", RECORDED, ids=lambda file: f"{file.parents[2].name}-{file.parent.name}-{file.name}")
def test_of_everything_recorded_from_real_nodes_only_the_secret_changes(file):
    text = file.read_text(errors="surrogateescape")
    assert scrub(text) == text.replace("my-secret", SCRUBBED)


def test_the_real_samples_do_hold_secrets():
    holding = {file.name for file in RECORDED if "my-secret" in file.read_text()}
    assert {"dump-xml.out", "show-json.out"} <= holding
    assert {file.name for file in (SAMPLES / "secrets").iterdir()} <= holding


@settings(deadline=None)
@given(SECRETS)
@example('k"/k')
@example("k&<>\\'k")
def test_dump_xml_keeps_its_grammar_whatever_the_secret(secret):
    line = f'<net>\n  <option name="shared-secret" value={quoteattr(secret, {chr(34): "&quot;"})}/>\n'
    text = f'{line}  <option name="protocol" value="C"/>\n</net>\n'
    options = {each.get("name"): each.get("value") for each in ET.fromstring(scrub(text))}
    assert options == {"shared-secret": SCRUBBED, "protocol": "C"}


@settings(deadline=None)
@given(SECRETS)
@example('kq"kq",kq"k')
@example("k\\k")
def test_show_json_is_json_after_it_even_where_drbdsetup_escaped_nothing(secret):
    text = '{\n   "net": {\n      "shared-secret": "' + secret + '",\n      "protocol": "C"\n   }\n}\n'
    assert json.loads(scrub(text)) == {"net": {"shared-secret": SCRUBBED, "protocol": "C"}}


@settings(deadline=None)
@given(SECRETS, st.sampled_from(["password", "cipassword", "client-secret", "ticket"]))
def test_compact_json_loses_only_the_secret(secret, key):
    text = json.dumps([{key: secret, "node": "pve-a"}, {"comment": f"{key} is set"}])
    assert json.loads(scrub(text)) == [{key: SCRUBBED, "node": "pve-a"}, {"comment": f"{key} is set"}]


@settings(deadline=None)
@given(SECRETS)
def test_configuration_keeps_its_grammar_whatever_the_secret(secret):
    escaped = re.sub(r'(["\\])', r"\\\1", secret)
    text = f'net {{\n        shared-secret   \t"{escaped}";\n        verify-alg md5;\n}}\n'
    assert scrub(text) == f'net {{\n        shared-secret   \t"{SCRUBBED}";\n        verify-alg md5;\n}}\n'


def test_configuration_on_one_line_loses_only_the_secret():
    assert scrub('net { shared-secret "a b"; protocol C; }') == 'net { shared-secret "scrubbed"; protocol C; }'
    assert scrub("net { shared-secret ab.c; protocol C; }") == "net { shared-secret scrubbed; protocol C; }"


@settings(deadline=None)
@given(SECRETS)
def test_a_command_line_loses_only_the_secret(secret):
    assume(not secret.isspace())
    escaped = re.sub(r"([^%+\-./0-9:=@A-Z_a-z])", r"\\\1", secret)  # drbd-utils, shared_tool.c, shell_escape
    text = f"drbdsetup connect r0 --shared-secret={escaped} --protocol=C\n"
    assert scrub(text) == f"drbdsetup connect r0 --shared-secret={SCRUBBED} --protocol=C\n"


@pytest.mark.parametrize(
    ("text", "scrubbed"),
    [
        ("cipassword: two words\nname: vm\n", "cipassword: scrubbed\nname: vm\n"),
        ("cifs: store\n\tpassword hunter2\n\tserver a\n", "cifs: store\n\tpassword scrubbed\n\tserver a\n"),
        ("-o username=u,password=p,vers=3", "-o username=u,password=scrubbed,vers=3"),
        (
            'drbdsetup --shared-secret="two \\"words\\"" --protocol=C',
            'drbdsetup --shared-secret="scrubbed" --protocol=C',
        ),
        ("PVEAPIToken=root@pam!drbd=00-11-22 rest", "PVEAPIToken=root@pam!drbd=scrubbed rest"),
        ("http_proxy http://user:pass@proxy:3128/", "http_proxy http://user:scrubbed@proxy:3128/"),
        (
            "-----BEGIN RSA PRIVATE KEY-----\nDEK-Info: AES-128-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n",
            "-----BEGIN RSA PRIVATE KEY-----scrubbed-----END RSA PRIVATE KEY-----\n",
        ),
    ],
)
def test_the_secrets_of_pve_leave_too(text, scrubbed):
    assert scrub(text) == scrubbed


@pytest.mark.parametrize(
    "text",
    [
        '  <option name="shared-secret" value="my-sec',
        '      "shared-secret": "my-sec',
        '        shared-secret  "my-sec',
        "-----BEGIN PRIVATE KEY-----\nmy-sec",
        "drbdsetup connect r0 --shared-secret=my-sec",
    ],
)
def test_a_secret_in_an_answer_that_was_cut_off_leaves_too(text):
    assert "my-sec" not in scrub(text)


@pytest.mark.parametrize(
    "text",
    ["Permission denied (publickey,password).", "root's password: ", "token: 1000\n", "a secret is missing\n"],
)
def test_sentences_about_secrets_stay(text):
    assert scrub(text) == text


@settings(deadline=None)
@given(SECRETS)
def test_scrubbing_twice_is_scrubbing_once(secret):
    text = f'"password": "{secret}"\nshared-secret "{secret}";\npassword: {secret}\n--shared-secret={secret}'
    assert scrub(scrub(text)) == scrub(text)
