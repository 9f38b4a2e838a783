"""Key releases, from terminals that report them (the kitty keyboard protocol), as Textual events.

Textual asks a terminal for the protocol but not for its event types, and its parser does not know them. The
driver here asks for them, and takes them out of the input before the parser sees it. Terminals without the
protocol ignore the request and send what they always send.
https://sw.kovidgoyal.net/kitty/keyboard-protocol/#event-types
"""

from __future__ import annotations

import os
import re
import selectors
from codecs import getincrementaldecoder
from collections.abc import Iterator

from textual import constants, events
from textual._xterm_parser import XTermParser
from textual.drivers.linux_driver import LinuxDriver
from textual.message import Message

REPORT_EVENT_TYPES = "\x1b[=2;2u"  # added to the flags that Textual has set; it takes all of them back at the end
RELEASE = "3"

TYPED_KEY = re.compile(r"\x1b\[(?P<code>\d*);(?P<modifiers>\d*):(?P<type>\d)(?P<text>;[\d:]*)?(?P<end>[u~A-DEFHPQRS])")
UNFINISHED = re.compile(r"\x1b\[[\d:;]*\Z")


class KeyReleased(events.InputEvent):
    """A key was let go; goes to the screen. `key`: its name without modifiers, as that of `events.Key`."""

    def __init__(self, key: str):
        super().__init__()
        self.key = key


class KeyEventParser:
    """Textual's parser of terminal input, with key releases."""

    def __init__(self, debug: bool = False):
        self._parser = XTermParser(debug)
        self._names = XTermParser()  # apart, so that a release within another sequence does not disturb it
        self._held_back = ""

    def feed(self, text: str, more: bool = True) -> Iterator[Message]:
        """Events in the order of their input; `more`: the rest of an unfinished sequence may still come."""
        text = self._held_back + text
        unfinished = UNFINISHED.search(text) if more else None
        self._held_back = unfinished.group() if unfinished else ""
        text = text.removesuffix(self._held_back)
        end = 0
        for key in TYPED_KEY.finditer(text):
            yield from self._parse(text[end : key.start()])
            end = key.end()
            if key["type"] == RELEASE:
                yield from self._released(f"\x1b[{key['code']};1{key['end']}")
            else:
                yield from self._parse(f"\x1b[{key['code']};{key['modifiers']}{key['text'] or ''}{key['end']}")
        yield from self._parse(text[end:])
        yield from self._parser.tick()

    def _parse(self, text: str) -> Iterator[Message]:
        if text:
            yield from self._parser.feed(text)

    def _released(self, sequence: str) -> Iterator[KeyReleased]:
        for event in self._names.feed(sequence):
            if isinstance(event, events.Key):
                yield KeyReleased(event.key)


class KeyReleaseDriver(LinuxDriver):
    """Textual's driver for Linux and macOS, that also sends `KeyReleased`."""

    def start_application_mode(self) -> None:
        super().start_application_mode()
        if not constants.DISABLE_KITTY_KEY:
            self.write(REPORT_EVENT_TYPES)
            self.flush()

    def run_input_thread(self) -> None:
        parser = KeyEventParser(self._debug)
        decode = getincrementaldecoder("utf-8")().decode
        with selectors.SelectSelector() as selector:
            selector.register(self.fileno, selectors.EVENT_READ)
            while not self.exit_event.is_set():
                ready = selector.select(0.1)
                data = os.read(self.fileno, 4096) if ready else b""
                for event in parser.feed(decode(data), more=bool(ready)):
                    self.process_message(event)
                if ready and not data:
                    return  # the input has ended
