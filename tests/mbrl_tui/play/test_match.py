import numpy as np
import pytest

from agents.envs.atari import AtariGame
from agents.envs.settings import AtariSettings
from agents.errors import UserError
from mbrl_tui.play.match import Match, Mode
from mbrl_tui.play.players import AgentPlayer, HumanPlayer

NAMES = ("NOOP", "FIRE", "RIGHT", "LEFT")


class Hand:
    """A person's hand on the keys."""

    def __init__(self) -> None:
        self.keys: frozenset[str] = frozenset()

    def hold(self, *keys: str) -> None:
        self.keys = frozenset(keys)

    def held(self, now: float) -> frozenset[str]:
        return self.keys


@pytest.fixture
def hand() -> Hand:
    return Hand()


@pytest.fixture
def begin(hand, agent):
    def begin(mode: Mode, with_agent: bool = True, seed: int = 3, **settings) -> Match:
        player = AgentPlayer(agent, fire=True, label="tape") if with_agent else None
        return Match("breakout", mode, HumanPlayer(hand.held), player, AtariSettings(**settings), seed)

    return begin


def frames(match: Match) -> list[int]:
    return [board.game.frame for board in match.boards]


def play(match: Match, ticks: int) -> None:
    for _ in range(ticks):
        match.tick(0.0)


@pytest.mark.parametrize("mode", Mode)
def test_a_tick_is_exactly_one_frame_of_every_board(begin, mode):
    match = begin(mode)
    for tick in range(1, 30):
        match.tick(0.0)
        assert frames(match) == [tick] * len(match.boards)


def test_the_agent_decides_every_fourth_frame_and_holds_its_choice(begin, agent):
    match = begin(Mode.WATCH)
    actions = []
    for _ in range(24):
        match.tick(0.0)
        actions.append(match.board.action)
    assert agent.tape == [("act", frame) for frame in range(0, 24, 4)]
    assert actions == [NAMES.index("RIGHT")] * 12 + [NAMES.index("LEFT")] * 12
    assert match.board.timeline.values == pytest.approx([1.5 + frame / 1_000 for frame in range(0, 24, 4)])


def test_watching_plays_the_very_game_that_is_scored(begin, agent, same_instant):
    match, game = begin(Mode.WATCH), AtariGame("breakout", seed=3)
    for _ in range(100):
        game.step(int(agent.q_values(game.frame).argmax()) if not game.needs_fire else NAMES.index("FIRE"))
        match.step(0.0)
        assert same_instant(match.board.game, game)


def test_a_person_may_act_on_every_frame(begin, hand):
    match = begin(Mode.SOLO, with_agent=False)
    actions = []
    for key in ("space", "left", "left", "right", "x"):
        hand.hold(key)
        match.tick(0.0)
        actions.append(NAMES[match.board.action])
    assert actions == ["FIRE", "LEFT", "LEFT", "RIGHT", "NOOP"]


def test_fire_is_not_pressed_for_a_person(begin, hand):
    match = begin(Mode.SOLO)
    play(match, 40)
    assert match.board.game.needs_fire
    hand.hold("space")
    match.tick(0.0)
    assert not match.board.game.needs_fire


def test_in_versus_both_begin_alike_and_fire_is_pressed_for_the_agent_alone(begin, same_instant):
    match = begin(Mode.VERSUS)
    mine, agents = (board.game for board in match.boards)
    assert same_instant(mine, agents)
    assert mine.needs_fire
    match.tick(0.0)
    assert (mine.needs_fire, agents.needs_fire) == (True, False)
    assert match.board.decision.forced


@pytest.mark.parametrize("sticky", [0.0, 0.25])
def test_versus_is_fair_who_does_the_same_gets_the_same(begin, hand, same_instant, sticky):
    match = begin(Mode.VERSUS, sticky=sticky)
    for _ in range(2):
        for _ in range(300):
            board = match.board
            board.tick(0.0)
            hand.hold({"FIRE": "space", "LEFT": "left", "RIGHT": "right"}[NAMES[board.action]])
            match.boards[0].tick(0.0)
            assert same_instant(*(board.game for board in match.boards))
        match.restart()


def test_when_one_side_is_over_the_other_plays_on_until_a_result(begin):
    match = begin(Mode.VERSUS, frame_cap=2_000)
    while not match.over:
        before = frames(match)
        match.tick(0.0)
        running = [after - earlier for earlier, after in zip(before, frames(match), strict=True)]
        assert running[0] == 1  # the person never fires, and lives on
    assert match.boards[1].game.terminated
    assert frames(match)[1] < 2_000 == frames(match)[0]
    assert match.result == "The agent wins, 1 to 0" if match.difference < 0 else "A draw at 0"


@pytest.mark.parametrize(
    ("scores", "result"),
    [((12, 9), "You win, 12 to 9"), ((9, 12), "The agent wins, 12 to 9"), ((5, 5), "A draw at 5")],
)
def test_the_result_says_who_won(begin, scores, result):
    match = begin(Mode.VERSUS)
    for board, score in zip(match.boards, scores, strict=True):
        board.game.score = score
    assert match.difference == scores[0] - scores[1]
    assert match.result == result


def test_in_duet_the_paddle_changes_hands_without_a_reset(begin, hand, same_instant):
    match, untouched = begin(Mode.DUET), begin(Mode.DUET)
    hand.hold("space")
    for match_ in (match, untouched):
        play(match_, 10)
    match.hand_over()
    assert same_instant(match.board.game, untouched.board.game)
    assert match.board.agent_holds
    hand.hold("left")
    match.tick(0.0)
    assert NAMES[match.board.action] == "RIGHT"  # the agent's choice of frame 8, held to frame 12
    match.hand_over()
    match.tick(0.0)
    assert NAMES[match.board.action] == "LEFT"
    assert frames(match) == [12]


def test_in_duet_fire_is_pressed_once_the_agent_holds_the_paddle(begin):
    match = begin(Mode.DUET)
    play(match, 8)
    assert match.board.game.needs_fire
    match.hand_over()
    play(match, 4)
    assert not match.board.game.needs_fire


@pytest.mark.parametrize("mode", [Mode.WATCH, Mode.SOLO, Mode.VERSUS])
def test_the_paddle_changes_hands_in_duet_only(begin, mode):
    match = begin(mode)
    before = [board.agent_holds for board in match.boards]
    match.hand_over()
    assert [board.agent_holds for board in match.boards] == before


def test_every_mode_but_solo_waits_for_its_agent(begin, agent):
    for mode in Mode:
        match = begin(mode, with_agent=False)
        assert match.ready == (mode is Mode.SOLO)
        match.seat(AgentPlayer(agent, fire=True, label="tape"))
        assert match.ready
        play(match, 8)
        assert ("act", 4) in agent.tape
        agent.tape.clear()


def test_an_agent_of_another_game_is_refused(begin, agent):
    agent.action_names = ("NOOP", "FIRE", "UP", "DOWN")
    match = begin(Mode.WATCH, with_agent=False)
    with pytest.raises(UserError, match="trained on breakout"):
        match.seat(AgentPlayer(agent, fire=True, label="tape"))
    assert not match.ready


def test_an_unknown_game_is_an_error_of_one_line(hand):
    with pytest.raises(UserError, match="no Atari game called 'brakeout'"):
        Match("brakeout", Mode.SOLO, HumanPlayer(hand.held), None, AtariSettings(), 0)


def test_a_restart_is_a_new_game_alike_on_every_board(begin, same_instant):
    match = begin(Mode.VERSUS)
    play(match, 50)
    match.restart()
    assert match.seed == 4
    assert frames(match) == [0, 0]
    assert same_instant(match.boards[0].game, match.boards[1].game)
    assert same_instant(match.boards[0].game, AtariGame("breakout", AtariSettings(fire=False), seed=4))
    assert len(match.board.timeline) == 0
    assert match.board.decision is None


def test_a_step_is_one_decision_of_every_board(begin, hand, agent):
    match = begin(Mode.VERSUS)
    hand.hold("left")
    match.step(0.0)
    assert frames(match) == [4, 4]
    assert [NAMES[board.action] for board in match.boards] == ["LEFT", "FIRE"]
    match.step(0.0, NAMES.index("LEFT"))
    assert frames(match) == [8, 8]
    assert NAMES[match.board.action] == "LEFT"
    assert NAMES[match.board.decision.action] == "RIGHT"  # what the agent would have done


def test_finishing_a_decision_goes_no_further(begin):
    match = begin(Mode.WATCH)
    play(match, 5)
    assert not match.at_decision
    match.finish_decision(0.0)
    assert frames(match) == [8]
    match.finish_decision(0.0)
    assert frames(match) == [8]


def test_a_decision_made_elsewhere_is_not_made_again(begin, agent):
    match = begin(Mode.WATCH)
    play(match, 4)
    board = match.board
    assert board.undecided
    board.decide(board.agent.decide(board.moment()))
    assert not board.undecided
    play(match, 4)
    assert agent.tape == [("act", 0), ("act", 4)]


def test_looking_ahead_leaves_the_real_game_untouched(begin, same_instant):
    looked, other = begin(Mode.WATCH), begin(Mode.WATCH)
    random = np.random.default_rng(0)
    for match in (looked, other):
        play(match, 80)
    player = looked.agent
    for _ in range(300):
        moment, horizon, first = looked.board.moment(), int(random.integers(1, 4)), random.integers(4, size=(1, 1))
        player.ask(lambda agent: agent.imagine(moment, horizon, first))  # noqa: B023  # asked at once
        assert same_instant(looked.board.game, other.board.game)
    for _ in range(200):
        for match in (looked, other):
            match.tick(0.0)
        assert same_instant(looked.board.game, other.board.game)
        assert looked.board.action == other.board.action


def test_an_agents_memory_holds_every_decision_once_with_what_was_really_pressed(begin, hand):
    match, game = begin(Mode.DUET), AtariGame("breakout", AtariSettings(fire=False), seed=3)
    board, expected, before = match.board, [], None
    for keys in (["space"], ["left"], ["right"], [], ["left"]):
        expected.append((before, game.observation[-1]))
        for _ in range(3):  # asked again, it remembers no more
            memory = board.moment().memory
        assert [action for action, _ in memory] == [action for action, _ in expected]
        for (_, seen), (_, real) in zip(memory, expected, strict=True):
            np.testing.assert_array_equal(seen, real)
        hand.hold(*keys)
        match.tick(0.0)
        before = board.action
        assert board.moment().memory is memory  # until the next decision
        play(match, 3)
        game.step(before)
    match.restart()
    assert [action for action, _ in board.moment().memory] == [None]


def test_an_agent_that_comes_late_remembers_from_there(begin, hand, agent):
    match = begin(Mode.SOLO, with_agent=False)
    play(match, 8)
    match.seat(AgentPlayer(agent, fire=True, label="tape"))
    play(match, 4)
    assert [action for action, _ in match.board.moment().memory] == [None, 0]
