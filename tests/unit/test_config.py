"""Settings: defaults that run, the environment over the file, and faults in one line each."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from pln_ivr.config import Settings, load
from pln_ivr.config.node import Admission
from pln_ivr.errors import ConfigError
from pln_ivr.rules import lines_of


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of whoever runs the tests."""
    import os

    for name in list(os.environ):
        if name.upper().startswith("PLN_IVR_"):
            monkeypatch.delenv(name)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "pln-ivr.toml"


def loaded(file: Path, text: str) -> Settings:
    file.write_text(text)
    return load(file)


def fault(file: Path, text: str = "") -> list[str]:
    """The lines of the error."""
    with pytest.raises(ConfigError) as error:
        loaded(file, text)
    return str(error.value).splitlines()


def test_the_defaults_are_those_of_the_house() -> None:
    settings = load(None)
    assert settings.admission.capacity == 720
    assert settings.admission.reject_cause == 17
    assert settings.agents.ring_deadline_seconds == 11.0
    assert settings.queues.entry in settings.queues.names
    assert list(settings.queues.names) == ["gangguan", "tagihan", "pasang-baru", "keluhan"]
    assert settings.queues.skills == set(settings.queues.names), "each asks for its own"
    assert settings.queues.names["gangguan"].priority > settings.queues.names["tagihan"].priority
    assert settings.console.bind == "127.0.0.1"


def test_the_environment_wins_over_the_file_and_the_file_over_the_defaults(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLN_IVR_ADMISSION__CAPACITY", "360")
    settings = loaded(file, "[admission]\ncapacity = 10\nreject_cause = 34\n[node]\nname='pln-7'")
    assert settings.admission.capacity == 360
    assert settings.admission.reject_cause == 34
    assert settings.node.name == "pln-7"
    assert settings.journal.url == "sqlite:///journal.db"


def test_queues_are_named_in_the_file(file: Path) -> None:
    settings = loaded(
        file,
        """
        [menu]
        entry = ""
        [queues]
        entry = "umum"
        dialled = { "622150123" = "tagihan", "+6221" = "umum" }
        [queues.names.umum]
        music = "calm"
        skills = ["gangguan", "tagihan"]
        [queues.names.tagihan]
        overflow = "umum"
        length = 100
        """,
    )
    assert list(settings.queues.names) == ["umum", "tagihan"], "and none of the defaults"
    assert settings.queues.names["umum"].music == "calm"
    assert settings.queues.skills == {"gangguan", "tagihan"}
    lines = lines_of(settings.queues)
    assert lines["umum"].skills == {"gangguan", "tagihan"}
    assert lines["tagihan"].skills == {"tagihan"}, "its own name"
    assert (lines["tagihan"].overflow, lines["umum"].overflow) == ("umum", "")
    assert (lines["tagihan"].length, lines["umum"].length) == (100, 0)


def test_pauses_and_dispositions_are_named_by_their_digit(file: Path) -> None:
    settings = loaded(file, "[agents.pauses]\n1 = 'makan'\n0 = 'lain'\n[agents.dispositions]\n")
    assert settings.agents.pauses == {"1": "makan", "0": "lain"}
    assert settings.agents.dispositions == {}


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("[admission]\ncapacity = -1", "admission.capacity"),
        ("[admission]\ncapacity = 'many'", "admission.capacity"),
        ("[admission]\nreject_cause = 16", "admission.reject_cause"),
        ("[admission]\ncapasity = 5", "admission.capasity"),
        ("[admision]\ncapacity = 5", "admision"),
        ("admission = 5", "admission"),
        ("capacity = 5", "capacity"),
        ("[ari]\nurl = 'localhost:8088'", "ari.url"),
        ("[ari]\nurl = 'http://x:8088/ari'", "ari.url"),
        ("[ari]\nrequest_seconds = 0", "ari.request_seconds"),
        ("[ari]\nconnections = 0", "ari.connections"),
        ("[ari]\napp = 'With Space'", "ari.app"),
        ("[node]\nname = 'a/b'", "node.name"),
        ("[agents]\nring_deadline_seconds = 500", "agents.ring_deadline_seconds"),
        ("[agents]\ncodec = 'opus'", "agents.codec"),
        ("[recordings]\nwhen_unconfirmed = 'maybe'", "recordings.when_unconfirmed"),
        ("[console]\nport = 70000", "console.port"),
        ("[drain]\ndeadline_seconds = -1", "drain.deadline_seconds"),
        ("[log]\nlevel = 'loud'", "log.level"),
        ("[journal]\nbuffer_rows = 1", "journal.buffer_rows"),
        ("[queues.names.'Umum']\nmusic='default'", "queues.names"),
        ("[queues.names.x]\npriority = 10", "queues.names.x.priority"),
        ("[queues.names.x]\nlength = -1", "queues.names.x.length"),
        ("[queues.names.x]\nlongest_wait_seconds = -1", "queues.names.x.longest_wait_seconds"),
        ("[queues.names.x]\nskills = ['Two Words']", "queues.names.x.skills"),
        ("[queues.names.x]\nservice_share = 1.5", "queues.names.x.service_share"),
        ("[queues.names.x]\nservice_seconds = 0", "queues.names.x.service_seconds"),
        ("[queues]\ndialled = { 'me' = 'gangguan' }", "queues.dialled"),
        ("[queues]\nageing_seconds = -1", "queues.ageing_seconds"),
        ("[queues]\nresume_seconds = -1", "queues.resume_seconds"),
        ("[agents]\nwrap_up_seconds = -1", "agents.wrap_up_seconds"),
        ("[agents]\npause_after_misses = -1", "agents.pause_after_misses"),
        ("[agents]\npauses = { '12' = 'salat' }", "agents.pauses"),
        ("[agents]\npauses = { '1' = 'Two Words' }", "agents.pauses"),
        ("[agents]\ndispositions = { 'a' = 'selesai' }", "agents.dispositions"),
    ],
)
def test_a_wrong_setting_is_named_with_its_file(file: Path, text: str, key: str) -> None:
    lines = fault(file, text)
    assert all(line.startswith(f"{file}: {key}") for line in lines), lines
    assert all(len(line) > len(f"{file}: {key}: ") for line in lines)
    if key != "ari.app":  # which has two ways of being right
        assert len(lines) == 1


def test_each_of_several_faults_has_its_line(file: Path) -> None:
    lines = fault(file, "[console]\nport = -1\n[log]\nlevel = 'loud'\nx = 1\n")
    assert len(lines) == 3


def test_a_wrong_value_in_the_environment_is_named(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLN_IVR_CONSOLE__PORT", "http")
    (line,) = fault(file)
    assert "console.port: " in line


@pytest.mark.parametrize(
    "name",
    [
        "PLN_IVR_ADMISION__CAPACITY",
        "PLN_IVR_X__Y",
        "PLN_IVR___CAPACITY",
        "PLN_IVR_ADMISSION_CAPACITY",
    ],
)
def test_an_unknown_section_in_the_environment_is_refused(
    file: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "360")
    (line,) = fault(file)
    assert line.startswith(f"environment {name}: no such section; there are: NODE, ARI, ADMISSION")


def test_an_unknown_key_in_the_environment_is_refused(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLN_IVR_ADMISSION__CAPASITY", "360")
    (line,) = fault(file)
    assert "admission.capasity" in line


@pytest.mark.parametrize("value", ["{broken", "5", "many"])
def test_a_whole_section_in_the_environment_that_is_no_section(
    file: Path, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("PLN_IVR_ADMISSION", value)
    (line,) = fault(file)
    assert "admission" in line.lower()


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("[queues]\nentry='umum'", "entry"),
        ("[queues]\ndialled = { '622150123' = 'umum' }", "dialled.622150123"),
        (
            "[queues.names.gangguan]\noverflow='umum'\n[queues.names.keluhan]"
            "\n[queues.names.tagihan]\n[queues.names.pasang-baru]",
            "names.gangguan.overflow",
        ),
    ],
)
def test_a_queue_that_does_not_exist(file: Path, text: str, key: str) -> None:
    assert fault(file, text) == [
        f"{file}: queues.{key}: there is no queue 'umum';"
        " queues.names has: gangguan, keluhan, pasang-baru, tagihan"
    ]


@pytest.mark.parametrize(
    ("overflows", "faulty"),
    [
        ({"gangguan": "gangguan"}, ["gangguan"]),
        ({"gangguan": "b", "b": "gangguan"}, ["gangguan", "b"]),
        ({"gangguan": "b", "b": "c", "c": "gangguan"}, ["gangguan", "b", "c"]),
        ({"gangguan": "b", "b": "c", "c": "b"}, ["b", "c"]),
        ({"gangguan": "b", "b": "c", "c": ""}, []),
        ({"gangguan": "c", "b": "c", "c": ""}, []),
    ],
)
def test_callers_do_not_overflow_in_a_circle(
    file: Path, overflows: dict[str, str], faulty: list[str]
) -> None:
    text = "[menu]\nentry=''\n" + "".join(
        f"[queues.names.{a}]\noverflow='{b}'\n" for a, b in overflows.items()
    )
    if not faulty:
        assert loaded(file, text)
        return
    assert fault(file, text) == [
        f"{file}: queues.names.{name}.overflow: leads back to {name!r}; end the chain somewhere"
        for name in faulty
    ]


def test_not_toml_not_text_no_file(file: Path, tmp_path: Path) -> None:
    (line,) = fault(file, "[admission\ncapacity")
    assert line.startswith(f"{file}: not valid TOML: ")
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="cannot be read"):
        load(file)
    with pytest.raises(ConfigError, match="no such file; name an existing one with --config"):
        load(tmp_path / "other.toml")
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path)


def test_the_password_is_shown_nowhere(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLN_IVR_ARI__PASSWORD", "hush-hush")
    settings = loaded(file, "")
    assert settings.ari.password.get_secret_value() == "hush-hush"
    assert "hush-hush" not in repr(settings) + str(settings) + settings.model_dump_json()
    monkeypatch.setenv("PLN_IVR_ARI__URL", "hush-hush")
    monkeypatch.setenv("PLN_IVR_CONSOLE__PORT", "hush-hush")
    assert "hush-hush" not in "".join(fault(file))


def test_a_secret_of_the_wrong_kind_is_not_shown_either(file: Path) -> None:
    (line,) = fault(file, "[ari]\npassword = ['hush-hush']")
    assert line.startswith(f"{file}: ari.password")
    assert "hush-hush" not in line


def test_settings_do_not_change(file: Path) -> None:
    settings = load(None)
    with pytest.raises(ValidationError):
        settings.admission = Admission()
    with pytest.raises(ValidationError):
        settings.admission.capacity = 5
