from django.urls import path

from registry import model_pages, views

urlpatterns = [
    path("p/<slug:slug>/runs/", views.runs, name="runs"),
    path("p/<slug:slug>/launch/<slug:kind>/", views.launch, name="launch"),
    path("p/<slug:slug>/runs/<slug:name>/", views.run, name="run"),
    path("p/<slug:slug>/runs/<slug:name>/log/", views.run_log, name="run-log"),
    path("p/<slug:slug>/runs/<slug:name>/cancel/", views.cancel, name="cancel"),
    path("p/<slug:slug>/runs/<slug:name>/resume/", views.resume, name="resume"),
    path("p/<slug:slug>/queue/", views.queue, name="queue"),
    path("p/<slug:slug>/models/", model_pages.models, name="models"),
    path("p/<slug:slug>/models/<slug:name>/", model_pages.model, name="model"),
]
