"""Agreement against published values, other implementations, and the definitions written out as loops."""

from itertools import combinations, permutations

import krippendorff
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotate.quality.agreement import (
    LEVELS,
    alpha,
    cohen_kappas,
    fleiss_kappa,
    from_counts,
    matrix,
    raw,
    table,
)
from annotate.quality.competence import competence, mace

# Krippendorff's three coders and fifteen units, * where a coder said nothing.
CODERS = [
    "* * * * * 3 4 1 2 1 1 3 3 * 3",
    "1 * 2 1 3 3 4 3 * * * * * * *",
    "* * 2 1 3 4 4 * 2 1 1 3 3 * 4",
]
# Krippendorff (2011), four observers and twelve units.
OBSERVERS = [
    "1 2 3 3 2 1 4 1 2 * * *",
    "1 2 3 3 2 2 4 1 2 5 * 3",
    "* 3 3 3 2 3 4 2 2 5 1 *",
    "1 2 3 3 2 4 4 1 2 5 1 *",
]
# Fleiss (1971) as Wikipedia works it through: ten subjects, fourteen raters, five categories.
FLEISS = [
    (0, 0, 0, 0, 14), (0, 2, 6, 4, 2), (0, 0, 3, 5, 6), (0, 3, 9, 2, 0), (2, 2, 8, 1, 1),
    (7, 7, 0, 0, 0), (3, 2, 6, 3, 0), (2, 5, 3, 2, 2), (6, 5, 2, 1, 0), (0, 2, 2, 3, 7),
]  # fmt: skip


def units_of(raters):
    rows = [[None if cell == "*" else int(cell) for cell in row.split()] for row in raters]
    return [list(unit) for unit in zip(*rows, strict=True)]


tables = st.integers(2, 4).flatmap(
    lambda raters: st.lists(
        st.lists(st.sampled_from([None, 1, 2, 3, 5]), min_size=raters, max_size=raters), min_size=1, max_size=9
    )
)


# --- The definitions, written out -----------------------------------------------------------------------------


def present(unit):
    return [value for value in unit if value is not None]


def naive_raw(units):
    shares = []
    for unit in units:
        pairs = list(combinations(present(unit), 2))
        if pairs:
            shares.append(sum(a == b for a, b in pairs) / len(pairs))
    return sum(shares) / len(shares) if shares else None


def naive_fleiss(units):
    values = [value for unit in units if len(present(unit)) > 1 for value in present(unit)]
    if len(set(values)) < 2:
        return None
    chance = sum((values.count(value) / len(values)) ** 2 for value in set(values))
    return (naive_raw(units) - chance) / (1 - chance)


def naive_cohen(first, second):
    both = [(a, b) for a, b in zip(first, second, strict=True) if a is not None and b is not None]
    n = len(both)
    one, other = [a for a, _ in both], [b for _, b in both]
    chance = sum(one.count(value) * other.count(value) for value in set(one)) / n**2
    return None if chance == 1 else (sum(a == b for a, b in both) / n - chance) / (1 - chance)


def difference(a, b, level, totals):
    if level == "nominal":
        return float(a != b)
    if level == "interval":
        return (a - b) ** 2
    low, high = min(a, b), max(a, b)
    between = sum(count for value, count in totals.items() if low <= value <= high)
    return (between - (totals[low] + totals[high]) / 2) ** 2


def naive_alpha(units, level):
    units = [present(unit) for unit in units if len(present(unit)) > 1]
    values = [value for unit in units for value in unit]
    if len(set(values)) < 2:
        return None
    totals = {value: values.count(value) for value in values}
    observed = sum(
        difference(a, b, level, totals) / (len(unit) - 1) for unit in units for a, b in permutations(unit, 2)
    ) / len(values)
    pairs = list(permutations(values, 2))
    return 1 - observed / (sum(difference(a, b, level, totals) for a, b in pairs) / len(pairs))


def same(found, expected):
    if expected is None:
        return found is None
    return found == pytest.approx(expected, abs=1e-9)


@settings(max_examples=200, deadline=None)
@given(tables)
def test_every_figure_is_its_definition(units):
    ratings = matrix(units)
    assert same(raw(ratings, draws=0).value, naive_raw(units))
    assert same(fleiss_kappa(ratings, draws=0).value, naive_fleiss(units))
    for level in LEVELS:
        assert same(alpha(ratings, level=level, draws=0).value, naive_alpha(units, level))
    columns = list(zip(*units, strict=True))
    found = cohen_kappas(ratings, draws=0)
    for a, b in combinations(range(len(columns)), 2):
        shared = sum(x is not None and y is not None for x, y in zip(columns[a], columns[b], strict=True))
        pair = (str(a + 1), str(b + 1))
        assert (pair in found) == (shared > 0)
        if shared:
            assert found[pair].n == shared
            assert same(found[pair].value, naive_cohen(columns[a], columns[b]))


@settings(max_examples=100, deadline=None)
@given(tables, st.sampled_from(LEVELS))
def test_alpha_is_that_of_the_krippendorff_package(units, level):
    data = np.array([[np.nan if value is None else value for value in unit] for unit in units], dtype=float).T
    found = alpha(matrix(units), level=level, draws=0)
    if found.value is not None:  # the package warns or raises where alpha is undefined
        assert found.value == pytest.approx(krippendorff.alpha(data, level_of_measurement=level), abs=1e-9)


# --- Published values -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raters", "level", "published"),
    [
        (CODERS, "nominal", 0.691), (CODERS, "ordinal", 0.807), (CODERS, "interval", 0.811),
        (OBSERVERS, "nominal", 0.743), (OBSERVERS, "ordinal", 0.815), (OBSERVERS, "interval", 0.849),
    ],
)  # fmt: skip
def test_alpha_has_the_published_values(raters, level, published):
    found = alpha(matrix(units_of(raters)), level=level)
    assert round(found.value, 3) == published
    assert found.low <= found.value <= found.high
    assert found.reason == ""


def test_only_units_with_two_values_count():
    ratings = matrix(units_of(CODERS))
    assert [raw(ratings).n, fleiss_kappa(ratings).n, alpha(ratings).n] == [12, 12, 12]


def test_fleiss_kappa_has_the_published_value():
    assert fleiss_kappa(from_counts(FLEISS)).value == pytest.approx(0.20993, abs=5e-6)
    assert raw(from_counts(FLEISS)).value == pytest.approx(0.378, abs=5e-4)


def test_cohens_kappa_has_the_published_value():
    # The grant proposals of Wikipedia's article: 20 both yes, 15 both no, 5 and 10 apart.
    units = [("yes", "yes")] * 20 + [("yes", "no")] * 5 + [("no", "yes")] * 10 + [("no", "no")] * 15
    found = cohen_kappas(matrix(units, ["A", "B"]))["A", "B"]
    assert found.value == pytest.approx(0.4)
    assert found.low < 0.4 < found.high
    assert found.n == 50


# --- Properties -----------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(tables, st.randoms(use_true_random=False), st.sampled_from(LEVELS))
def test_the_order_of_units_and_raters_changes_nothing_not_even_the_interval(units, random, level):
    raters = list(range(len(units[0])))
    random.shuffle(raters)
    moved = [[unit[i] for i in raters] for unit in units]
    random.shuffle(moved)
    one, other = matrix(units), matrix(moved)
    assert alpha(one, level=level, draws=50) == alpha(other, level=level, draws=50)
    assert fleiss_kappa(one, draws=50) == fleiss_kappa(other, draws=50)


@settings(max_examples=60, deadline=None)
@given(tables, st.permutations([1, 2, 3, 5]))
def test_names_of_categories_do_not_matter_to_nominal_figures(units, order):
    renamed = dict(zip([1, 2, 3, 5], order, strict=True)) | {None: None}
    other = matrix([[renamed[value] for value in unit] for unit in units])
    for figure in (raw, fleiss_kappa, alpha):
        assert same(figure(matrix(units), draws=0).value, figure(other, draws=0).value)


@settings(max_examples=60, deadline=None)
@given(tables, st.floats(0.01, 1e6), st.floats(-1e6, 1e6))
def test_interval_alpha_does_not_see_the_unit_of_measurement(units, scale, shift):
    other = matrix([[None if value is None else value * scale + shift for value in unit] for unit in units])
    found, moved = (alpha(ratings, level="interval", draws=0).value for ratings in (matrix(units), other))
    assert found is None if moved is None else moved == pytest.approx(found, abs=1e-5)


def test_perfect_agreement_is_one():
    ratings = matrix([[1, 1, 1], [2, 2, None], [3, 3, 3]])
    figures = [raw(ratings), fleiss_kappa(ratings), *(alpha(ratings, level=level) for level in LEVELS)]
    assert [(figure.value, figure.low, figure.high) for figure in figures] == [pytest.approx((1, 1, 1))] * 5
    assert cohen_kappas(ratings, draws=0)["1", "2"].value == 1


def test_one_value_only_is_undefined_and_says_why():
    ratings = matrix([["yes", "yes"], ["yes", "yes"]])
    assert raw(ratings).value == 1
    for figure in (fleiss_kappa(ratings), alpha(ratings), cohen_kappas(ratings)["1", "2"]):
        assert (figure.value, figure.low, figure.high, figure.n) == (None, None, None, 2)
        assert "one" in figure.reason.lower()


@pytest.mark.parametrize("units", [[], [[1, None], [None, 2]]])
def test_without_a_shared_unit_nothing_is_defined(units):
    ratings = matrix(units)
    for figure in (raw(ratings), fleiss_kappa(ratings), *(alpha(ratings, level=level) for level in LEVELS)):
        assert (figure.value, figure.n, figure.reason) == (None, 0, "No unit has values by two raters.")
    assert cohen_kappas(ratings) == {}
    assert alpha(from_counts([])).n == 0


def test_one_unit_has_a_value_and_no_interval():
    found = alpha(matrix([[1, 2, 2]]))
    assert (found.low, found.high) == (None, None)
    assert found.value is not None and "two units" in found.reason


def test_a_seed_gives_one_interval():
    ratings = matrix(units_of(OBSERVERS))
    assert alpha(ratings, seed=4) == alpha(ratings, seed=4)
    assert alpha(ratings, seed=4) != alpha(ratings, seed=5)


@pytest.mark.parametrize("level", LEVELS)
def test_the_interval_is_that_of_drawing_units_one_by_one(level):
    rng = np.random.default_rng(2)
    truth = rng.integers(1, 5, size=30)
    units = np.where(rng.random((30, 2)) < 0.7, truth[:, None], rng.integers(1, 5, size=(30, 2))).tolist()
    found = alpha(matrix(units), level=level, draws=4000)
    drawn = [naive_alpha([units[i] for i in rng.integers(30, size=30)], level) for _ in range(300)]
    assert [found.low, found.high] == pytest.approx(np.percentile(drawn, [2.5, 97.5]), abs=0.06)


def test_units_that_are_all_different_are_resampled_as_well_as_units_of_few_kinds():
    rng = np.random.default_rng(3)
    centre = rng.normal(size=(400, 1))
    ratings = matrix((centre + rng.normal(size=(400, 2))).tolist())
    found = alpha(ratings, level="interval")
    assert found.value == pytest.approx(0.5, abs=0.1)
    assert 0.08 < found.high - found.low < 0.25


def test_a_rater_who_rated_a_unit_twice_is_refused():
    with pytest.raises(ValueError, match="ann rated 1 unit"):
        table(["a", "a", "b"], ["ann", "ann", "ann"], [1, 2, 3])


def test_texts_have_no_order():
    with pytest.raises(ValueError, match="must be numbers"):
        alpha(matrix([["low", "high"]]), level="ordinal")


def test_raters_with_numbers_for_names_come_by_size():
    assert list(cohen_kappas(matrix([[1, 2, 1]], ["10", "9", "2"]))) == [("2", "9"), ("2", "10"), ("9", "10")]


# --- Competence -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def crowd():
    """600 units, five of twelve raters each; rater r is right with probability `skill[r]`, else guesses."""
    rng = np.random.default_rng(8)
    skill = np.linspace(0.2, 0.95, 12)
    truth = rng.integers(3, size=600)
    units = np.repeat(np.arange(600), 5)
    raters = np.concatenate([rng.choice(12, 5, replace=False) for _ in range(600)])
    looked = rng.random(units.size) < skill[raters]
    values = np.where(looked, truth[units], rng.choice(3, units.size, p=[0.7, 0.2, 0.1]))
    right = np.array([(values == truth[units])[raters == r].mean() for r in range(12)])
    return table(units.tolist(), [f"r{r:02}" for r in raters], values.tolist()), skill, right


def test_competence_is_the_share_that_a_rater_gets_right(crowd):
    ratings, _, right = crowd
    found = competence(ratings)
    assert [found[f"r{r:02}"] for r in range(12)] == pytest.approx(right, abs=0.1)


def test_mace_tells_who_looks_from_who_guesses(crowd):
    ratings, skill, _ = crowd
    found = mace(ratings)
    assert [found[f"r{r:02}"] for r in range(12)] == pytest.approx(skill, abs=0.12)


@pytest.mark.parametrize("model", [competence, mace])
def test_competence_needs_company(model):
    found = model(matrix([[1, 1, None], [2, 2, None], [None, None, 1]]))
    assert found["3"] is None
    assert 0 <= found["1"] <= 1
    assert model(matrix([])) == {}


def test_competence_does_not_depend_on_the_order_of_units(crowd):
    ratings, _, _ = crowd
    names = np.array(ratings.raters)[ratings.rater].tolist()
    values = [ratings.values[i] for i in ratings.value]
    other = table(ratings.unit.tolist()[::-1], names[::-1], values[::-1])
    assert competence(other) == pytest.approx(competence(ratings), abs=1e-6)
