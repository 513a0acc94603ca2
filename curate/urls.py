from django.urls import path

from curate.pages import builder as builder_view
from curate.pages import comparison as diff_view
from curate.pages import consent as consent_view
from curate.pages import dataset as dataset_view
from curate.pages import datasets as list_view

ONE = "p/<slug:slug>/datasets/<slug:name>/v<int:version>/"

urlpatterns = [
    path("p/<slug:slug>/datasets/", list_view.index, name="datasets"),
    path("p/<slug:slug>/datasets/new/", builder_view.new, name="dataset-new"),
    path(ONE, dataset_view.detail, name="dataset"),
    path(f"{ONE}rows/<slug:split>/<int:place>/", dataset_view.one_row, name="dataset-row"),
    path(f"{ONE}files/<path:file>", dataset_view.download, name="dataset-file"),
    path(f"{ONE}diff/", diff_view.compare, name="dataset-diff"),
    path(f"{ONE}rebuild/", dataset_view.rebuild, name="dataset-rebuild"),
    path("p/<slug:slug>/consent/", consent_view.own, name="consent"),
    path("p/<slug:slug>/people/<int:pk>/consent/", consent_view.of_person, name="person-consent"),
]
