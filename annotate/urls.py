from django.urls import path

from annotate import dataset_views, prompts, views, votes

urlpatterns = [
    path("p/<slug:slug>/annotate/", views.desk, name="annotate"),
    path("p/<slug:slug>/annotate/undo/", views.undo, name="undo"),
    path("p/<slug:slug>/annotate/<int:assignment>/", views.answer, name="answer"),
    path("p/<slug:slug>/annotate/<int:assignment>/skip/", views.skip, name="skip"),
    path("p/<slug:slug>/votes/<int:pk>/", votes.vote, name="vote"),
    path("p/<slug:slug>/prompts/new/", prompts.new_prompts, name="prompts-new"),
    path("p/<slug:slug>/runs/<slug:name>/tasks/", prompts.new_tasks, name="tasks-new"),
    path("p/<slug:slug>/datasets/", dataset_views.index, name="datasets"),
    path("p/<slug:slug>/datasets/new/", dataset_views.new, name="dataset-new"),
    path("p/<slug:slug>/datasets/<slug:name>/v<int:version>/", dataset_views.detail, name="dataset"),
]
