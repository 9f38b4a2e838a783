"""The futures of a paused game: one strip of small frames for each action."""

from __future__ import annotations

from textual import work
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.widgets import Static
from textual.worker import get_current_worker

from agents.errors import UserError
from agents.records import Moment
from mbrl_tui.messages import ImaginationFailed, Imagined, LookAheadChanged
from mbrl_tui.play.lookahead import LookAhead
from mbrl_tui.play.players import AgentPlayer
from mbrl_tui.widgets.rollout_strip import RolloutStrip
from mbrl_tui.widgets.writing import brief

FIRST_HORIZON = 10
MODELS = {"emulator": "emulator: the game's own future"}
"""What a rollout's model means, where its name alone does not say it."""


class Strips(VerticalScroll, can_focus=False):
    """The strips one above the other, all of one height; those that do not fit are scrolled to."""

    least = 6

    def on_resize(self) -> None:
        for strip in self.children:
            strip.styles.height = max(self.least, self.size.height // len(self.children))


class LookAheadPanel(Vertical):
    """Imagines in a thread and shows what comes. Posts `LookAheadChanged`; the game itself it never touches."""

    def __init__(self, action_names: tuple[str, ...]):
        super().__init__(classes="panel")
        self.border_title = "Look ahead"
        self.look_ahead: LookAhead | None = None
        self._agent: AgentPlayer | None = None
        self._model = Static(id="model", markup=False)
        self._said = ""
        self._through = "are being imagined"
        self._strips = [RolloutStrip() for _ in (None, *action_names)]

    def compose(self) -> ComposeResult:
        yield self._model
        yield Strips(*self._strips)

    def look(self, agent: AgentPlayer, moment: Moment) -> None:
        """Look ahead from `moment`, in place of what was looked at before; the cursor stays where it stood."""
        self._agent = agent
        if self.look_ahead is None:
            self._begin(agent, LookAhead(moment, agent.action_names, FIRST_HORIZON))
        else:
            self._begin(agent, self.look_ahead.renewed(moment, self.look_ahead.horizon))

    def explain(self, reason: str) -> None:
        """Nothing to look at; say why."""
        self.forget()
        self.border_subtitle = ""
        self._say(reason)

    def forget(self) -> None:
        """Imagine no further, and show nothing of what was imagined."""
        self.workers.cancel_group(self, "imagine")
        self.look_ahead = None
        for strip in self._strips:
            strip.visible = False

    def change_horizon(self, by: int) -> None:
        if self.look_ahead is not None and self._agent is not None:
            longer = self.look_ahead.renewed(self.look_ahead.moment, self.look_ahead.horizon + by)
            if longer.horizon != self.look_ahead.horizon:
                self._begin(self._agent, longer)

    def move(self, rows: int, steps: int) -> None:
        if self.look_ahead is not None:
            self.look_ahead.move_row(rows)
            self.look_ahead.move_time(steps)
            self._show(self.look_ahead)

    def _begin(self, agent: AgentPlayer, look_ahead: LookAhead) -> None:
        self.look_ahead = look_ahead
        self.imagine(agent, look_ahead)
        self._show(look_ahead)

    @work(thread=True, exclusive=True, group="imagine")
    def imagine(self, agent: AgentPlayer, look_ahead: LookAhead) -> None:
        worker = get_current_worker()
        # The future under the cursor is wanted first.
        rows = sorted(range(len(look_ahead.actions)), key=lambda row: abs(row - look_ahead.row))
        try:
            # One future at a time: a newer wish need not wait for all of them.
            for row in rows:
                first = look_ahead.actions[row]
                future = agent.imagine(look_ahead.moment, look_ahead.horizon, first, lambda: not worker.is_cancelled)
                if future is None:
                    return
                self.post_message(Imagined(look_ahead, row, future))
        except UserError as error:
            self.post_message(ImaginationFailed(look_ahead, str(error)))

    def on_imagined(self, message: Imagined) -> None:
        message.stop()
        if message.look_ahead is self.look_ahead:
            self.look_ahead.futures[message.row] = message.future
            self._show(self.look_ahead)

    def on_imagination_failed(self, message: ImaginationFailed) -> None:
        message.stop()
        if message.look_ahead is self.look_ahead:
            self.explain(message.reason)

    def on_rollout_strip_chosen(self, message: RolloutStrip.Chosen) -> None:
        message.stop()
        if self.look_ahead is not None:
            row = self._strips.index(message.strip)
            self.move(row - self.look_ahead.row, message.step - self.look_ahead.step)

    def _show(self, look_ahead: LookAhead) -> None:
        self._show_model(look_ahead)
        best = look_ahead.best
        for row, (strip, label) in enumerate(zip(self._strips, look_ahead.labels, strict=True)):
            future = look_ahead.futures[row]
            selected = row == look_ahead.row
            # Until its future comes, a strip shows the one before: nothing flickers while a horizon grows.
            if future is not None:
                strip.show(
                    future,
                    0,
                    label,
                    cursor=look_ahead.step,
                    selected=selected,
                    best=row in best,
                    action_names=look_ahead.action_names,
                )
                strip.visible = True
            if selected:
                strip.scroll_visible(animate=False)
        self.post_message(LookAheadChanged(look_ahead))

    def _show_model(self, look_ahead: LookAhead) -> None:
        model = look_ahead.model
        if model is not None:
            self._through = f"through the {MODELS.get(model, model)}"
        self._say(f"{look_ahead.horizon} decisions {self._through}")
        returns = look_ahead.returns
        known = [value for value in returns if value is not None]
        here = returns[look_ahead.row]
        standing = "" if here is None else f"return {brief(here, 4)} of {look_ahead.labels[look_ahead.row]} · "
        progress = f"best {brief(max(known), 4)}" if look_ahead.complete else f"{len(known)} of {len(returns)} imagined"
        self.border_subtitle = standing + progress

    def _say(self, text: str) -> None:
        # A new text may take more lines, and so moves all strips: not for every future that comes.
        if text != self._said:
            self._said = text
            self._model.update(text)
