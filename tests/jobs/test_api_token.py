"""User, roles and token: made once, with the least privileges, the secret for root only, and whole after any crash."""

import argparse
import itertools
import json
import stat
import tomllib

import jsonschema
import pytest

from pve_drbd.adapters.hosts import CommandResult
from pve_drbd.adapters.token import read_token
from pve_drbd.cli.token import create
from pve_drbd.data import shipped_text
from pve_drbd.errors import ApiRefused, ConfigInvalid, StepStopped
from pve_drbd.jobs.api_token import make_token, plan_token
from pve_drbd.model.privileges import ROLES, USER, grant_for

HERE = "pve-a"
TOKEN = f"{USER}!drbd-{HERE}"


class Killed(BaseException):
    """The process was killed at this moment."""


class Pveum:
    """Stands for pveum over one user.cfg, in PVE's own words; a token without privileges of its user has none."""

    def __init__(self):
        self.users, self.tokens, self.acl = {"root@pam"}, {}, set()
        self.roles = {"PVEAuditor": {"VM.Audit", "Sys.Audit"}}
        self.secrets, self.die_at, self.writes = 0, 0, 0

    def nodes(self):
        return (HERE,)

    def close(self):
        """Nothing is open."""

    def run(self, node, argv, timeout_s):
        assert (node, argv[0]) == (HERE, "pveum")
        words = [each for each in argv[1:] if each not in ("--output-format", "json")]
        is_reading = words[-1] == "list" or "permissions" in words or words[:3] == ["user", "token", "list"]
        try:
            answer = self._do(words)
        except KeyError as err:
            return CommandResult(argv, 255, "", f"{err.args[0]}\n", 1)
        self.writes += 0 if is_reading else 1
        if not is_reading and self.writes == self.die_at:
            raise Killed
        return CommandResult(argv, 0, "" if answer is None else json.dumps(answer), "", 1)

    def _do(self, words):
        match words:
            case ["user", "list"]:
                return [{"userid": each} for each in sorted(self.users)]
            case ["role", "list"]:
                return [{"roleid": name, "privs": ",".join(sorted(privs))} for name, privs in self.roles.items()]
            case ["acl", "list"]:
                return [
                    {"path": "/", "type": kind, "ugid": name, "roleid": role, "propagate": 1}
                    for kind, name, role in sorted(self.acl)
                ]
            case ["user", "token", "list", user]:
                return [{"tokenid": name} for owner, name in sorted(self.tokens) if owner == user]
            case ["user", "token", "permissions", user, name, "--path", "/"]:
                return {"/": dict.fromkeys(self._privileges(user, name), 1)}
            case ["role", "add" | "modify" as verb, name, "--privs", privs]:
                if (verb == "add") == (name in self.roles):
                    raise KeyError(f"create role failed: role '{name}' already exists")
                self.roles[name] = set(privs.split(","))
            case ["user", "add", user, *_]:
                self.users.add(user)
            case ["user", "token", "remove", user, name]:
                del self.tokens[user, name]
                self.acl = {each for each in self.acl if each[1] != f"{user}!{name}"}
            case ["user", "token", "add", user, name, "--privsep", "1", *_]:
                if (user, name) in self.tokens:
                    raise KeyError("400 Parameter verification failed.\ntokenid: Token already exists.")
                self.secrets += 1
                self.tokens[user, name] = f"secret-{self.secrets}"
                return {"full-tokenid": f"{user}!{name}", "info": {"privsep": 1}, "value": self.tokens[user, name]}
            case ["acl", "modify" | "delete" as verb, "/", "--users" | "--tokens" as kind, name, "--roles", roles]:
                lines = {(kind[2:-1], name, role) for role in roles.split(",")}
                self.acl = self.acl | lines if verb == "modify" else self.acl - lines
            case _:
                raise AssertionError(words)
        return None

    def _privileges(self, user, name):
        def of(kind, who):
            return {priv for k, n, role in self.acl if (k, n) == (kind, who) for priv in self.roles[role]}

        return of("user", user) & of("token", f"{user}!{name}")


def make(pveum, file, *jobs, renew=False):
    plan = plan_token(pveum, HERE, jobs, file, renew=renew)
    make_token(pveum, HERE, plan)
    return plan


def privileges(*jobs):
    return {each for job in jobs for each in ROLES[job].needs}


def test_it_makes_user_roles_and_a_token_that_may_just_read(tmp_path):
    pveum, file = Pveum(), tmp_path / "pve-drbd" / "token.toml"

    plan = make(pveum, file)

    assert {role.name for role in ROLES.values()} <= set(pveum.roles)
    assert pveum._privileges(USER, f"drbd-{HERE}") == privileges("read")
    assert plan.name == TOKEN
    credentials = read_token(file, "localhost")
    assert (credentials.user, credentials.token_name, credentials.secret) == (USER, f"drbd-{HERE}", "secret-1")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_each_job_gets_its_privileges_and_no_others(tmp_path):
    pveum = Pveum()

    make(pveum, tmp_path / "token.toml", "entry", "recover")
    assert pveum._privileges(USER, f"drbd-{HERE}") == privileges("read", "entry", "recover")

    make(pveum, tmp_path / "token.toml", "entry")
    assert pveum._privileges(USER, f"drbd-{HERE}") == privileges("read", "entry")
    assert pveum.secrets == 1


def test_no_role_may_do_more_than_its_job_needs():
    assert not any(each.endswith("Modify") for role in ROLES.values() for each in role.needs)
    assert not privileges("read") & privileges("entry", "recover")


def test_a_second_run_changes_nothing(tmp_path):
    pveum = Pveum()
    make(pveum, tmp_path / "token.toml", "entry")
    writes = pveum.writes

    plan = make(pveum, tmp_path / "token.toml", "entry")

    assert not plan.is_needed
    assert pveum.writes == writes


def test_a_role_that_somebody_changed_is_put_right(tmp_path):
    pveum = Pveum()
    make(pveum, tmp_path / "token.toml")
    pveum.roles["DrbdRead"] = {"VM.Audit"}

    plan = make(pveum, tmp_path / "token.toml")

    assert [each.split()[1:3] for each in plan.shown] == [["role", "modify"]]


def test_a_token_without_its_file_is_made_anew(tmp_path):
    pveum = Pveum()
    make(pveum, tmp_path / "token.toml")
    (tmp_path / "token.toml").unlink()

    make(pveum, tmp_path / "token.toml")

    assert read_token(tmp_path / "token.toml", "localhost").secret == "secret-2"
    assert pveum.tokens == {(USER, f"drbd-{HERE}"): "secret-2"}


def test_renewing_makes_a_new_secret_and_keeps_where_the_api_is(tmp_path):
    pveum, file = Pveum(), tmp_path / "token.toml"
    make(pveum, file)
    file.write_text(file.read_text() + 'host = "pve-a.example.org"\nport = 443\n')

    make(pveum, file, renew=True)

    kept = tomllib.loads(file.read_text())
    assert (kept["secret"], kept["host"], kept["port"]) == ("secret-2", "pve-a.example.org", 443)


def test_a_run_killed_after_any_command_is_finished_by_the_next(tmp_path):
    whole = Pveum()
    make(whole, tmp_path / "whole.toml", "entry")

    for die_at in range(1, whole.writes + 1):
        pveum, file = Pveum(), tmp_path / f"{die_at}.toml"
        pveum.die_at = die_at
        with pytest.raises(Killed):
            make(pveum, file, "entry")
        pveum.die_at = 0
        make(pveum, file, "entry")
        assert read_token(file, "localhost").secret == pveum.tokens[USER, f"drbd-{HERE}"]
        assert pveum._privileges(USER, f"drbd-{HERE}") == privileges("read", "entry")


def test_a_command_that_fails_is_told_and_nothing_shows_the_secret(tmp_path):
    pveum = Pveum()
    plan = plan_token(pveum, HERE, (), tmp_path / "token.toml")
    pveum.tokens[USER, f"drbd-{HERE}"] = "made meanwhile"

    with pytest.raises(StepStopped, match="Token already exists") as stop:
        make_token(pveum, HERE, plan)

    assert "made meanwhile" not in str(stop.value)


def test_a_token_that_lacks_a_privilege_is_told(tmp_path):
    pveum = Pveum()
    plan = plan_token(pveum, HERE, (), tmp_path / "token.toml")
    pveum._privileges = lambda user, name: {"VM.Audit"}

    with pytest.raises(StepStopped, match=r"has not Datastore\.Audit, Pool\.Audit, Sys\.Audit"):
        make_token(pveum, HERE, plan)


def test_a_file_that_cannot_be_written_is_told_without_the_secret(tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(ConfigInvalid, match="cannot be written") as refusal:
        make(Pveum(), tmp_path / "file" / "token.toml")

    assert "secret-1" not in str(refusal.value)


@pytest.mark.parametrize(("yes", "renew"), [*itertools.product((True, False), repeat=2)])
def test_the_command_shows_or_does_it_and_never_prints_the_secret(yes, renew, tmp_path, capsys):
    pveum, file = Pveum(), tmp_path / "token.toml"
    words = {"role": ["entry"], "renew": renew, "yes": yes}

    for form in ("text", "json"):
        assert create(argparse.Namespace(**words, output_format=form), pveum, HERE, file) == 0

    text, document = capsys.readouterr().out.rsplit("\n{", 1)
    answer = json.loads("{" + document)
    jsonschema.Draft7Validator(json.loads(shipped_text("token.schema.json"))).validate(answer)
    assert "secret-" not in text + document
    assert file.exists() is yes
    assert answer["done"] is (yes and renew)


@pytest.mark.parametrize(
    ("reason", "command"),
    [
        ("Permission check failed (/storage, Datastore.Allocate)", "pve-drbd token create --role entry --yes"),
        ("Permission check failed (/vms/100, VM.Audit)", "pve-drbd token create --role read --yes"),
        ("Permission check failed (/vms/100, VM.Migrate)", "pve-drbd token create --role recover --yes"),
        ("Permission check failed (/vms/100, VM.Config.CPU|VM.Config.Disk)", "--role recover"),
        ("Permission check failed (/x, Realm.Allocate)", "pveum user token permissions"),
    ],
)
def test_a_refusal_names_the_privilege_and_the_command_that_grants_it(reason, command):
    told = str(ApiRefused("/storage", 403, reason))

    assert "has not the privilege" in told
    assert command in told


def test_other_refusals_name_no_privilege():
    assert grant_for("Permission check failed") == ""
    assert str(ApiRefused("/x", 500, "boom")) == "PVE refused /x with status 500: boom"
