from django.urls import include, path

from evaluate import downloads, views
from evaluate.boards import pages as boards
from evaluate.evaluations import pages as evaluations
from evaluate.reports import pages as reports

urlpatterns = [
    path("", views.home, name="home"),
    path("health/", views.health, name="health"),
    path("p/<slug:slug>/", views.project, name="project"),
    path("p/<slug:slug>/leaderboard/", boards.leaderboard, name="leaderboard"),
    path("p/<slug:slug>/leaderboard.csv", downloads.leaderboard_csv, name="leaderboard-csv"),
    path("p/<slug:slug>/leaderboard.json", downloads.leaderboard_json, name="leaderboard-json"),
    path("p/<slug:slug>/evaluations/", evaluations.evaluations, name="evaluations"),
    path("p/<slug:slug>/evaluations/new/", evaluations.new, name="evaluation-new"),
    path("p/<slug:slug>/evaluations/of/<slug:name>/", evaluations.evaluation, name="evaluation"),
    path("p/<slug:slug>/evaluations/of/<slug:name>/next/", evaluations.next_round, name="evaluation-next"),
    path("p/<slug:slug>/leaderboard.zip", reports.report, name="report"),
    path("p/<slug:slug>/leaderboard/shared/", reports.shared_boards, name="shared-boards"),
    path("p/<slug:slug>/leaderboard/shared/<int:pk>/revoke/", reports.revoke, name="shared-board-revoke"),
    path("shared/<str:token>/", reports.shared, name="shared-board"),
    path("p/<slug:slug>/battles/", boards.battles, name="battles"),
    path("", include("evaluate.bias.urls")),
    path("p/<slug:slug>/charts/<slug:name>/", downloads.chart, name="chart"),
    path("p/<slug:slug>/charts/<slug:name>/<path:judge>/", downloads.chart, name="chart"),
]
