from mbrl_tui.play.timeline import Timeline


def test_values_and_scores_are_kept_decision_by_decision():
    timeline = Timeline()
    timeline.add(None, 0)
    timeline.add(1.5, 4)
    assert len(timeline) == 2
    assert timeline.values == [None, 1.5]
    assert timeline.scores == [0, 4]
