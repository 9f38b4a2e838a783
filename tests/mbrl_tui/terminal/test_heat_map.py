import numpy as np

from mbrl_tui.terminal.heat_map import BASE, code_picture, heat_map


def test_without_heat_the_picture_is_dim_and_grey():
    frame = np.random.default_rng(0).integers(0, 256, (20, 16, 3), np.uint8)
    shown = heat_map(frame, np.zeros((20, 16), np.float32))
    assert (shown == shown[..., :1]).all()
    assert shown.max() <= round(255 * BASE)


def test_more_heat_is_lighter_everywhere():
    heat = np.linspace(0, 1, 64, dtype=np.float32)[None]
    shown = heat_map(np.zeros((1, 64, 3), np.uint8), heat)[0].astype(int).sum(-1)
    assert (np.diff(shown) >= 0).all()
    assert shown[0] == 0
    assert shown[-1] > 600


def test_heat_beyond_its_range_is_the_hottest():
    hot = heat_map(np.zeros((1, 2, 3), np.uint8), np.array([[1.0, 7.0]], np.float32))
    assert (hot[0, 0] == hot[0, 1]).all()


def test_a_code_is_a_pixel_for_each_class():
    belief = np.array([[0, 1], [0.5, np.nan]], np.float32)
    picture = code_picture(belief).astype(int).sum(-1)
    assert picture.shape == (2, 2)
    assert picture[0, 0] == picture[1, 1] == 0
    assert 0 < picture[1, 0] < picture[0, 1]
