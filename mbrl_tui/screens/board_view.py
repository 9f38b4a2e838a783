"""One board: the game's picture in a frame that says whose it is and how it stands."""

from __future__ import annotations

from textual.markup import escape

from mbrl_tui.play.match import Board
from mbrl_tui.widgets.frame_view import FrameView


class BoardView(FrameView):
    """Shows a `Board`."""

    _titles = ("", "")

    def show_present(self, board: Board, title: str) -> None:
        """The frame of `board` now."""
        self._show_titles(board, title)
        self.show(board.game.screen)

    def _show_titles(self, board: Board, title: str) -> None:
        game = board.game
        standing = f"{game.score:.0f} points"
        if game.lives:  # some games, Pong among them, have none
            standing += f" · {game.lives} {'life' if game.lives == 1 else 'lives'}"
        if game.over:
            standing += " · game over"
        elif game.needs_fire and not board.agent_holds:
            standing += " · SPACE fires"
        titles = (title, standing)
        # Setting a title repaints the border: 60 times a second that would cost more than the picture.
        if titles != self._titles:
            self._titles = titles
            self.border_title, self.border_subtitle = (escape(text) for text in titles)
