"""The report as a zip, and links that show a leaderboard without an account."""

import csv
import io
import zipfile
from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import AuditEvent
from evaluate.leaderboard import boards
from evaluate.models import SharedBoard

LINKS = "/p/helpful/leaderboard/shared/"


@pytest.fixture
def fought(world, base, tuned):
    return world.compared([1.0] * 9 + [0.0] * 3, first=tuned, second=base)


def shared(client, **values):
    """The path of a new link."""
    answer = client.post(LINKS + values.pop("query", ""), {"title": "For the paper", "days": "30", **values})
    assert answer.status_code == 200, answer.content.decode()
    return "/shared/" + answer.content.decode().split("/shared/")[1].split("<")[0]


def test_the_report_has_one_page_with_its_charts_inside_and_every_number(researcher_client, project, fought):
    answer = researcher_client.get("/p/helpful/leaderboard.zip")
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    assert set(archive.namelist()) == {"report.html", "numbers.csv"} | {
        f"charts/{name}.{kind}" for name in ("ratings", "matrix-1") for kind in ("svg", "png", "csv")
    }
    page = archive.read("report.html").decode()
    assert page.count("data:image/svg+xml;base64,") == 2
    assert "http" not in page.replace("http://www.w3.org", "")
    assert "/p/helpful" not in page
    assert "75.0%" in page
    assert archive.read("charts/ratings.png").startswith(b"\x89PNG")
    found = {
        (row["model"], row["opponent"]): row
        for row in csv.DictReader(io.StringIO(archive.read("numbers.csv").decode()))
    }
    (board,) = boards(project)
    row = found["dpo-01", ""]
    assert float(row["rating"]) == board.rating("dpo-01").value
    assert float(row["win_rate_low"]) == board.rates["dpo-01"].low
    assert float(found["dpo-01", "base"]["win_rate"]) == 0.75
    assert AuditEvent.objects.filter(action="leaderboard.exported").count() == 1


def test_each_chart_downloads_as_png(researcher_client, fought):
    answer = researcher_client.get("/p/helpful/charts/matrix/?format=png&theme=dark")
    assert (answer["Content-Type"], answer.content[:4]) == ("image/png", b"\x89PNG")


def test_a_link_shows_ratings_to_anybody_and_no_text(client, researcher_client, fought):
    path = shared(researcher_client)
    answer = client.get(path)
    page = answer.content.decode()
    assert answer.status_code == 200
    assert "dpo-01" in page
    assert "75%" in page
    assert "Because it scatters." not in page
    assert "Why is the sky blue?" not in page
    assert "/battles/" not in page
    assert answer["X-Robots-Tag"] == "noindex, nofollow"
    assert answer["Referrer-Policy"] == "no-referrer"
    assert "no-store" in answer["Cache-Control"]
    assert SharedBoard.objects.get().opened == 1


def test_texts_are_shown_only_where_that_was_chosen(client, researcher_client, fought):
    page = client.get(shared(researcher_client, with_texts="on")).content.decode()
    assert "Because it scatters." in page
    assert AuditEvent.objects.get(action="leaderboard.shared").data == {"days": 30, "with_texts": True}


def test_a_link_shows_its_own_battles_alone(client, researcher_client, fought, world, base, tuned):
    prompt = world.prompt(lang="de")
    world.judgement(fought, world.response(prompt, tuned), world.response(prompt, base), 1.0)
    page = client.get(shared(researcher_client, query="?lang=de")).content.decode()
    assert "Battles in de" in page
    assert "1 battles" in page
    page = client.get(shared(researcher_client, query="?turn=1")).content.decode()
    assert "13 battles" in page


def test_a_link_that_was_revoked_or_has_expired_shows_nothing(client, researcher_client, project, fought):
    path = shared(researcher_client)
    board = SharedBoard.objects.get()
    SharedBoard.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert client.get(path).status_code == 404
    SharedBoard.objects.update(expires_at=timezone.now() + timedelta(days=1))
    assert client.get(path).status_code == 200
    researcher_client.post(f"{LINKS}{board.pk}/revoke/")
    answer = client.get(path)
    assert answer.status_code == 404
    assert "dpo-01" not in answer.content.decode()
    assert answer["X-Robots-Tag"] == "noindex, nofollow"
    assert AuditEvent.objects.filter(action="leaderboard.unshared").count() == 1
    assert client.get("/shared/guessed/").status_code == 404


def test_only_the_hash_of_a_token_is_kept_and_it_is_shown_once(researcher_client, fought):
    token = shared(researcher_client).split("/")[2]
    kept = SharedBoard.objects.get()
    assert token not in kept.token_hash
    assert token not in researcher_client.get(LINKS).content.decode()
    assert "For the paper" in researcher_client.get(LINKS).content.decode()


def test_only_researchers_share_and_export(annotator_client, reviewer_client, client, fought):
    for one in (annotator_client, reviewer_client):
        assert one.post(LINKS, {"title": "x", "days": "3"}).status_code == 403
        assert one.get("/p/helpful/leaderboard.zip").status_code == 403
    assert client.post(LINKS, {"title": "x", "days": "3"}).status_code == 302
    assert not SharedBoard.objects.exists()


def test_another_projects_link_cannot_be_revoked_from_here(researcher_client, owner_client, fought, project):
    from accounts.models import Project

    other = Project.objects.create(name="Other", slug="other")
    board = SharedBoard.objects.create(
        project=other, title="x", token_hash="0" * 64, expires_at=timezone.now() + timedelta(1)
    )
    assert researcher_client.post(f"{LINKS}{board.pk}/revoke/").status_code == 404


@pytest.mark.parametrize("days", ["0", "366", "x"])
def test_a_link_has_an_end(researcher_client, fought, days):
    assert researcher_client.post(LINKS, {"title": "x", "days": days}).status_code == 422
    assert not SharedBoard.objects.exists()
