"""The inspector: a held game, the futures that its agent imagines, and what is true of them."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

from textual import events, on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.markup import escape
from textual.widget import Widget
from textual.widgets import Static

from agents.errors import UserError
from agents.records import Decision
from mbrl_tui.dream.dream_game import DreamGame
from mbrl_tui.dream.inspection import Inspection
from mbrl_tui.dream.task import Task
from mbrl_tui.dream.tree import Branch
from mbrl_tui.messages import Computed, NotComputed
from mbrl_tui.play.clock import Time
from mbrl_tui.screens.action_menu import ActionMenu
from mbrl_tui.screens.arrangement import SMALLEST, arrange_inspection
from mbrl_tui.screens.board_view import BoardView
from mbrl_tui.screens.dream import DreamScreen
from mbrl_tui.screens.futures import Futures
from mbrl_tui.screens.help import INSPECTOR, HelpScreen
from mbrl_tui.screens.inspect_facts import facts_of, status_of
from mbrl_tui.screens.key_hints import KeyHints
from mbrl_tui.screens.lens_view import look_through
from mbrl_tui.screens.panels import Facts
from mbrl_tui.screens.playing_screen import PlayingScreen, save_game
from mbrl_tui.terminal.keys import HeldKeys
from mbrl_tui.widgets.decision_bars import DecisionBars
from mbrl_tui.widgets.frame_view import FrameView
from mbrl_tui.widgets.rollout_strip import RolloutStrip

FRAMES_A_SECOND = 6.0
"""At which an imagined future is played: slow enough to follow with the eye."""
PATIENCE = 0.12
"""Seconds that a new branch has to come before its place is shown without it: mostly it comes sooner, and all is laid
out once instead of twice."""


class InspectScreen(PlayingScreen):
    """Looks into one held match, and plays it on where it is told to. It gives nothing back.

    keys: held by the person, for a step of a game that the person plays.
    """

    AUTO_FOCUS = None
    ALLOW_SELECT = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,p,i", "back"),
        Binding("question_mark", "help"),
        Binding("right", "time(1)"),
        Binding("left", "time(-1)"),
        Binding("end", "time(999)"),
        Binding("home", "time(-999)"),
        Binding("down", "row(1)"),
        Binding("up", "row(-1)"),
        Binding("space", "run"),
        Binding("t", "truth"),
        Binding("n", "parting"),
        Binding("b", "branch"),
        Binding("s", "samples"),
        Binding("left_square_bracket", "draws(-1)"),
        Binding("right_square_bracket", "draws(1)"),
        Binding("plus,equals_sign", "horizon(1)"),
        Binding("minus", "horizon(-1)"),
        Binding("v", "lens"),
        Binding("c", "mark"),
        Binding("y", "look"),
        Binding("f", "fold"),
        Binding("x", "prune"),
        Binding("enter", "take"),
        Binding("g", "go"),
        Binding("full_stop", "step"),
        Binding("d", "dream"),
        Binding("ctrl+s", "save"),
        Binding("q", "app.quit"),
    ]

    def __init__(self, inspection: Inspection, agent_label: str, keys: HeldKeys, time: Time):
        super().__init__(time, keys)
        self.inspection = inspection
        self.agent_label = agent_label
        self._present = BoardView(classes="view", id="present")
        self._imagined = FrameView(classes="view imagined", id="imagined")
        self._lens = FrameView(classes="view", id="lens")
        self._facts = Facts(classes="view", id="numbers")
        self._bars = DecisionBars(classes="view", id="choice")
        self._futures = Futures(1 + len(inspection.match.action_names) if inspection.tree is not None else 0)
        self._said = Static(id="said", markup=False)
        self._hints = KeyHints()
        self._too_small = Static(id="too-small", markup=False)
        self._computing: Task | None = None
        self._asked: Task | None = None
        self._beat = self.set_interval(1 / FRAMES_A_SECOND, self._run_on, pause=True)
        self._runs = False
        self._awaited: Branch | None = None
        self._patient = False
        self._decision: Decision | None = None  # as the bars show it
        self._status_shown = ""

    def compose(self) -> ComposeResult:
        yield self._too_small
        with Horizontal(id="views"):
            yield self._present
            yield self._imagined
            yield self._lens
            with Vertical(id="column"):
                yield self._facts
                yield self._bars
        yield self._said
        yield self._futures
        yield self._hints

    def on_mount(self) -> None:
        self._arrange()

    def on_resize(self) -> None:
        self._arrange()
        self.call_after_refresh(self.show)

    def look_into(self, inspection: Inspection) -> None:
        """Another held game, in place of the one before."""
        self._stop_running()
        self._asked = None
        self._futures.forget()
        self.inspection = inspection

    # What takes its time is computed in a thread, one thing at a time; the newest wish comes next.

    def go_on(self) -> None:
        """Play what is to be played, compute what is wanted next, and show how things stand; only while in view. While
        an action is being chosen, compute what it may come to."""
        if not self.is_active:
            if isinstance(self.app.screen, ActionMenu):
                self.set_to_work()
            return
        if self._computing is None and self.inspection.advance(self.time.now()) and self.inspection.match.over:
            self.action_back()
            return
        self.set_to_work()
        if not self._holds_back():
            self.show()

    def _holds_back(self) -> bool:
        """Whether to wait for the branch under the cursor: it is not known yet, and was asked for a moment ago."""
        here = self.inspection.here if self.inspection.tree is not None else None
        if here is None or here.parent is None or here.rollout is not None or self._computing is None:
            return False
        if here is not self._awaited:
            self._awaited, self._patient = here, True
            self.set_timer(PATIENCE, partial(self._wait_no_longer, here))
        return self._patient

    def _wait_no_longer(self, branch: Branch) -> None:
        if branch is self._awaited and branch.rollout is None:
            self._patient = False
            self.go_on()

    def set_to_work(self) -> None:
        """Compute what is wanted next, if nothing is being computed."""
        if self._computing is None:
            # A dream that was asked for waits until this screen is in view: it is stepped into from here.
            asked, self._asked = (self._asked, None) if self.is_active else (None, self._asked)
            task = asked or self.inspection.next_task()
            if task is not None:
                self._computing = task
                self.compute(task)

    @work(thread=True, group="inspect")
    def compute(self, task: Task) -> None:
        try:
            result = task.run()
        except UserError as error:
            self.post_message(NotComputed(task, str(error)))
        else:
            self.post_message(Computed(task, result))

    def on_computed(self, message: Computed) -> None:
        self._computing = None
        message.task.keep(message.result)
        self.go_on()

    def on_not_computed(self, message: NotComputed) -> None:
        self._computing = None
        message.task.fail(message.reason)
        self.go_on()

    @property
    def settled(self) -> bool:
        """Whether all that is wanted is computed."""
        return self._computing is None and self._asked is None

    # What a person does.

    @property
    def plays_by_keys(self) -> bool:
        """Arrows are the cursor's where there is something to look at, the paddle's where there is not."""
        return self.inspection.tree is None

    def action_back(self) -> None:
        if self.is_active:
            self._asked = None
            self.inspection.leave()
            self.dismiss()

    def action_save(self) -> None:
        save_game(self, self.inspection.match, self.inspection.match.board)

    def action_help(self) -> None:
        self.app.push_screen(HelpScreen(INSPECTOR))

    def action_time(self, by: int) -> None:
        self._stop_running()
        self.inspection.move_time(by)
        self.go_on()

    def action_row(self, by: int) -> None:
        self.inspection.move_row(by)
        self.go_on()

    def on_rollout_strip_chosen(self, message: RolloutStrip.Chosen) -> None:
        branch = self._futures.branch_of(message.strip)
        if branch is not None:
            self._stop_running()
            self.inspection.go_to(branch, message.step)
            self.go_on()

    def action_run(self) -> None:
        if self._runs:
            self._stop_running()
        elif self.inspection.tree is not None:
            self._runs = True
            self._beat.resume()
        self.show()

    def _stop_running(self) -> None:
        self._runs = False
        self._beat.pause()

    def _run_on(self) -> None:
        if self.is_active:
            self.inspection.play_on()
            self.go_on()

    def action_truth(self) -> None:
        self.inspection.toggle_truth()
        self.go_on()

    def action_parting(self) -> None:
        self._stop_running()
        self.inspection.go_to_parting()
        self.go_on()

    def action_branch(self) -> None:
        inspection = self.inspection
        if not inspection.can_branch:
            return
        self._stop_running()
        tree, here, step = inspection.tree, inspection.here, inspection.step

        def considered(action: int) -> None:
            inspection.foresee(here, step, action)
            self.set_to_work()

        def chosen(action: int | None) -> None:
            # What was still being computed may have moved the cursor meanwhile.
            if action is not None and tree is not None and inspection.tree is tree and here in tree.visible:
                inspection.go_to(here, step)
                inspection.branch(action)
            inspection.foresee_no_more()
            self.go_on()

        names = inspection.match.action_names
        title = "Instead, now" if step == 0 else f"Instead, at step {step}"
        self.app.push_screen(ActionMenu(title, names, here.actions[step], considered), chosen)

    def action_samples(self) -> None:
        self.inspection.toggle_samples()
        self.go_on()

    def action_draws(self, by: int) -> None:
        self.inspection.change_samples(by)
        self.go_on()

    def action_horizon(self, by: int) -> None:
        self.inspection.change_horizon(by)
        self.go_on()

    def action_lens(self) -> None:
        self.inspection.next_lens()
        self.go_on()

    def action_mark(self) -> None:
        self.inspection.mark()
        self.go_on()

    def action_look(self) -> None:
        self.inspection.look()
        self.go_on()

    def action_fold(self) -> None:
        self.inspection.toggle_fold()
        self.go_on()

    def action_prune(self) -> None:
        self.inspection.prune()
        self.go_on()

    def action_take(self) -> None:
        self.inspection.take()
        self.go_on()

    def action_go(self) -> None:
        self._stop_running()
        self.inspection.go_along()
        self.go_on()

    def action_step(self) -> None:
        self.inspection.step_on()
        self.go_on()

    def action_dream(self) -> None:
        """Step into the dream; the real game waits here, where it is."""
        agent = self.inspection.agent
        self._stop_running()

        def step_in(game: DreamGame) -> None:
            if self.is_active and agent is not None:
                self.app.push_screen(DreamScreen(game, agent, self.time))

        def refuse(reason: str) -> None:
            self.notify(reason, title="No dream", severity="warning", markup=False)

        self._asked = self.inspection.dream(step_in, refuse)
        self.go_on()

    # What is shown.

    def _arrange(self) -> None:
        columns, rows = self.size
        small = columns < SMALLEST[0] or rows < SMALLEST[1]
        self.set_class(small, "-too-small")
        if small:
            needed = f"This terminal has {columns}×{rows} cells.\nmbrl needs {SMALLEST[0]}×{SMALLEST[1]} or more."
            self._too_small.update(f"{needed}\n\nEnlarge it, or press ESC.")
            return
        place = arrange_inspection(columns, rows, self._present.pixel_aspect, len(self.inspection.match.action_names))
        self.query_one("#views").styles.height = place.height
        for view in (self._present, self._imagined, self._lens):
            view.styles.width = place.view
        self._bars.styles.height = place.bars
        self._bars.set_class(not place.bars, "-away")
        self._hints.show(self.inspection)
        self._futures.divide(self.inspection, rows - place.height - 1 - self._hints.needed)

    @on(events.ScreenResume)
    def resume(self) -> None:
        self.go_on()

    def show(self) -> None:
        """All of it, as it stands."""
        if not self._futures.size.height or self.has_class("-too-small"):
            return  # nothing is laid out yet
        inspection = self.inspection
        board, step = inspection.match.board, inspection.seen
        self._present.show_present(board, "now")
        action = inspection.match.action_names[inspection.here.actions[step - 1]] if step else ""
        title = f"imagined +{step}" if step else "imagined"
        _set_titles(self._imagined, title, f"▶ {action}" if self._runs else action)
        self._imagined.show(inspection.frame)
        self._show_lens()
        self._facts.show(facts_of(inspection))
        decision = board.decision if not board.undecided else None
        if decision is not self._decision or decision is None:
            self._decision = decision
            self._bars.show(decision, inspection.match.action_names)
        _set_titles(self._bars, escape(f"{self.agent_label or 'no agent'} decides"))
        if (status := status_of(inspection)) != self._status_shown:
            self._status_shown = status
            self._said.update(status, layout=False)  # laying all out anew takes longer than all else
        self._futures.show(inspection)
        self._hints.show(inspection)

    def _show_lens(self) -> None:
        picture = look_through(self.inspection)
        words = picture.words if picture and picture.frame is not None else ""
        _set_titles(self._lens, escape(picture.title if picture else "v: what the agent saw"), escape(words))
        self._lens.show(picture.frame if picture else None, picture.words if picture and picture.frame is None else "")


def _set_titles(widget: Widget, title: str, subtitle: str = "") -> None:
    """Only where they change: each repaints the border."""
    if (widget.border_title or "", widget.border_subtitle or "") != (title, subtitle):
        widget.border_title, widget.border_subtitle = title, subtitle
