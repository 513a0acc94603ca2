from django.urls import path

from registry import compare_views, doctor_pages, launch_views, model_pages, queue_views, views

urlpatterns = [
    path("p/<slug:slug>/runs/", views.runs, name="runs"),
    path("p/<slug:slug>/launch/<slug:kind>/", launch_views.launch, name="launch"),
    path("p/<slug:slug>/launch/<slug:kind>/examine/", doctor_pages.examine, name="examine"),
    path("p/<slug:slug>/examinations/<slug:name>/", doctor_pages.examination, name="examination"),
    path("p/<slug:slug>/runs/<slug:name>/", views.run, name="run"),
    path("p/<slug:slug>/runs/<slug:name>/log/", views.run_log, name="run-log"),
    path("p/<slug:slug>/runs/<slug:name>/cancel/", views.cancel, name="cancel"),
    path("p/<slug:slug>/runs/<slug:name>/kill/", views.kill, name="kill"),
    path("p/<slug:slug>/runs/<slug:name>/priority/", queue_views.priority, name="priority"),
    path("p/<slug:slug>/runs/<slug:name>/resume/", views.resume, name="resume"),
    path("p/<slug:slug>/compare/", compare_views.compare, name="compare"),
    path("p/<slug:slug>/sweeps/<slug:name>/", compare_views.sweep, name="sweep"),
    path("p/<slug:slug>/queue/", queue_views.queue, name="queue"),
    path("p/<slug:slug>/models/", model_pages.models, name="models"),
    path("p/<slug:slug>/models/<slug:name>/", model_pages.model, name="model"),
    path("p/<slug:slug>/models/<slug:name>/keep/", model_pages.keep, name="model-keep"),
    path("p/<slug:slug>/models/<slug:name>/card/", model_pages.card, name="model-card"),
    path("p/<slug:slug>/models/<slug:name>/verify/", model_pages.verify, name="model-verify"),
    path("p/<slug:slug>/models/<slug:name>/download/", model_pages.download, name="model-download"),
    path("p/<slug:slug>/models/<slug:name>/merge/", model_pages.merge, name="model-merge"),
]
