"""Lines copied out of the database, also when nobody reads them to the end."""

import json

import pytest
from django.db import connection, transaction

from accounts.models import Project
from exchange.exports.sources.copying import RANGE, copy_lines

MANY = "SELECT g AS id, repeat('a\\\"é🫘', 500) AS text FROM generate_series(%(low)s::int, %(high)s::int) AS g"


@pytest.mark.django_db(transaction=True)
def test_a_copy_that_is_left_in_the_middle_spoils_nothing() -> None:
    with transaction.atomic():
        lines = copy_lines(MANY, {}, low=1, high=RANGE)
        assert json.loads(next(lines))["id"] == 1
        lines.close()
        assert Project.objects.count() == 0, "the transaction goes on"
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        assert cursor.fetchone() == (1,)


@pytest.mark.django_db
def test_ranges_meet_without_a_gap_or_a_repeat() -> None:
    found = [json.loads(line) for line in copy_lines(MANY.replace("500", "1"), {}, low=5, high=2 * RANGE + 7)]
    assert [one["id"] for one in found] == list(range(5, 2 * RANGE + 8))
    assert found[0]["text"] == 'a\\"é🫘'
