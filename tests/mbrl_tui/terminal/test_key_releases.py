import os
import pty
import select
import subprocess
import sys
import time

import pytest
from textual import events

from mbrl_tui.terminal.key_releases import REPORT_EVENT_TYPES, KeyEventParser, KeyReleased

APP = """
import sys
from textual.app import App
from textual.screen import Screen
from mbrl_tui.terminal.key_releases import KeyReleaseDriver

class Keys(Screen):
    seen = []
    def on_mount(self):
        self.notes = open(sys.argv[1], "w", buffering=1)
        print("ready", file=self.notes)
    def on_key(self, event):
        print("press", event.key, file=self.notes)
    def on_key_released(self, event):
        print("release", event.key, file=self.notes)
        if event.key == "q":
            self.app.exit()

class KeyApp(App):
    def on_mount(self):
        self.push_screen(Keys())

KeyApp(driver_class=KeyReleaseDriver).run(mouse=False)
"""


def parsed(*texts: str) -> list[tuple[str, str]]:
    parser = KeyEventParser()
    names = {events.Key: "press", KeyReleased: "release"}
    return [(names[type(event)], event.key) for text in texts for event in parser.feed(text)]


@pytest.mark.parametrize(
    ("press", "repeat", "release", "key"),
    [
        ("\x1b[97;;97u", "\x1b[97;1:2;97u", "\x1b[97;1:3u", "a"),
        ("\x1b[C", "\x1b[1;1:2C", "\x1b[1;1:3C", "right"),
        ("\x1b[D", "\x1b[1;1:2D", "\x1b[1;1:3D", "left"),
        ("\x1b[32;;32u", "\x1b[32;1:2;32u", "\x1b[32;1:3u", "space"),
        ("\x1b[13u", "\x1b[13;1:2u", "\x1b[13;1:3u", "enter"),
        ("\x1b[27u", "\x1b[27;1:2u", "\x1b[27;1:3u", "escape"),
        ("\x1b[5~", "\x1b[5;1:2~", "\x1b[5;1:3~", "pageup"),
    ],
)
def test_a_key_has_one_name_pressed_repeated_and_released(press, repeat, release, key):
    assert parsed(press, repeat, release) == [("press", key), ("press", key), ("release", key)]


def test_a_release_goes_by_the_plain_key():
    assert parsed("\x1b[97;2:3u", "\x1b[1;5:3D") == [("release", "a"), ("release", "left")]


def test_a_press_with_modifiers_keeps_them():
    assert parsed("\x1b[97;5:1u") == [("press", "ctrl+a")]


def test_order_is_kept_within_one_read():
    assert parsed("x\x1b[D\x1b[1;1:3Dy") == [("press", "x"), ("press", "left"), ("release", "left"), ("press", "y")]


@pytest.mark.parametrize("cut", range(2, len("\x1b[97;1:3u")))
def test_a_sequence_may_come_in_two_reads(cut):
    sequence = "\x1b[97;1:3u"
    assert parsed(sequence[:cut], sequence[cut:]) == [("release", "a")]


def test_terminals_without_the_protocol_are_read_as_before():
    assert parsed("a", " ", "\x1b[C", "\r", "\x1b[1;5C") == [
        ("press", "a"),
        ("press", "space"),
        ("press", "right"),
        ("press", "enter"),
        ("press", "ctrl+right"),
    ]


def test_an_unfinished_sequence_is_not_kept_for_ever():
    parser = KeyEventParser()
    assert list(parser.feed("\x1b[")) == []
    time.sleep(0.15)  # longer than Textual waits for the rest of an escape
    seen = [*parser.feed("", more=False)]
    time.sleep(0.15)
    seen += [*parser.feed("", more=False)]
    assert [event.key for event in seen if isinstance(event, events.Key)][-1] == "left_square_bracket"


def test_mouse_and_mode_reports_pass_through():
    parser = KeyEventParser()
    seen = [type(event).__name__ for event in parser.feed("\x1b[<0;3;4M\x1b[?2026;2$y")]
    assert seen == ["MouseDown", "TerminalSupportsSynchronizedOutput"]


def test_a_real_terminal_is_asked_and_its_releases_reach_the_screen(tmp_path):
    notes = tmp_path / "notes"
    terminal, other_end = pty.openpty()
    size = {"TERM": "xterm-256color", "COLUMNS": "40", "LINES": "10"}
    app = subprocess.Popen(
        [sys.executable, "-c", APP, str(notes)],
        **dict.fromkeys(("stdin", "stdout", "stderr"), other_end),
        env=os.environ | size,
        start_new_session=True,
    )
    os.close(other_end)
    written, deadline = b"", time.monotonic() + 20
    sent = False
    while time.monotonic() < deadline:
        if select.select([terminal], [], [], 0.05)[0]:
            try:
                written += os.read(terminal, 65536)
            except OSError:  # the app has ended
                break
        if not sent and notes.exists() and "ready" in notes.read_text():
            os.write(terminal, b"\x1b[1;1:1D\x1b[1;1:2D\x1b[1;1:3D\x1b[113;;113u\x1b[113;1:3u")
            sent = True
    assert app.wait(10) == 0
    assert notes.read_text().split("\n")[1:-1] == [
        "press left",
        "press left",
        "release left",
        "press q",
        "release q",
    ]
    asked = written.decode(errors="replace")
    assert REPORT_EVENT_TYPES in asked
    assert asked.index("\x1b[>25u") < asked.index(REPORT_EVENT_TYPES) < asked.index("\x1b[<u")
