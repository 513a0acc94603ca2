from django.urls import path

from evaluate.bias import downloads, pages

urlpatterns = [
    path("p/<slug:slug>/bias/", pages.bias, name="bias"),
    path("p/<slug:slug>/bias/cases/", pages.cases, name="bias-cases"),
    path("p/<slug:slug>/bias/contrast/", pages.contrast, name="bias-contrast"),
    path("p/<slug:slug>/bias.csv", downloads.bias_csv, name="bias-csv"),
    path("p/<slug:slug>/bias.json", downloads.bias_json, name="bias-json"),
]
