"""The numbering of the phase `misset`, which all optimizers share."""

from agsam_tune.study import MISSET_FACTORS, MissetPoint, misset_layout


def test_the_numbering() -> None:
    layout = misset_layout(("rho", "alpha", "gamma"))
    assert [point.point for point in layout] == list(range(1 + 3 * 6 + 12))
    assert layout[0] == MissetPoint(point=0, kind="best", factor=None, draw=None)
    for i, name in enumerate(("rho", "alpha", "gamma")):
        for j, factor in enumerate((1 / 10, 1 / 3, 1 / 2, 2.0, 3.0, 10.0)):
            number = 1 + 6 * i + j
            expected = MissetPoint(point=number, kind=name, factor=factor, draw=None)
            assert layout[number] == expected
    together = layout[19:]
    assert {point.kind for point in together} == {"all"}
    assert [point.factor for point in together] == [2.0] * 4 + [3.0] * 4 + [10.0] * 4
    assert [point.draw for point in together] == [0, 1, 2, 3] * 3


def test_every_factor_has_its_inverse() -> None:
    inverses = sorted(1 / factor for factor in MISSET_FACTORS)
    assert all(abs(a - b) < 1e-12 for a, b in zip(inverses, sorted(MISSET_FACTORS), strict=True))


def test_nothing_to_misset() -> None:
    assert misset_layout(()) == ()
